// The sample workload's settings: what is read from the environment and from JSON, and what is
// refused.

import { expect } from 'chai';

import {
  INITIAL_SETTINGS,
  SettingsError,
  environmentName,
  settingsFromEnvironment,
  settingsFromJson,
} from '../cluster/workload/settings.ts';

describe('the settings of the sample workload', () => {
  it('are those of a healthy pod when the environment says nothing', () => {
    expect(settingsFromEnvironment({ PATH: '/bin', ERROR_RATIO: '' })).to.deep.equal(
      INITIAL_SETTINGS,
    );
    expect(INITIAL_SETTINGS).to.include({ errorRatio: 0, crashAfterSeconds: null });
  });

  it('are read from the environment by the names of the documentation', () => {
    const settings = settingsFromEnvironment({
      ERROR_RATIO: '0.3',
      ERROR_AFTER_SECONDS: '20',
      ERROR_FOR_SECONDS: '5',
      LATENCY_MS: '800',
      LATENCY_RATIO: '0.1',
      MEMORY_MB_PER_SECOND: '10',
      MEMORY_MAX_MB: '300',
      PQC_FAILURES_PER_SECOND: '0.5',
      PQC_FALLBACK: 'true',
      CRASH_AFTER_SECONDS: '0',
      UNHEALTHY: 'true',
      TERMINATION_DRAIN_MS: '250',
    });
    expect(settings).to.deep.equal({
      errorRatio: 0.3,
      errorAfterSeconds: 20,
      errorForSeconds: 5,
      latencyMs: 800,
      latencyRatio: 0.1,
      memoryMbPerSecond: 10,
      memoryMaxMb: 300,
      pqcFailuresPerSecond: 0.5,
      pqcFallback: true,
      crashAfterSeconds: 0,
      unhealthy: true,
      terminationDrainMs: 250,
    });
    expect(environmentName('memoryMbPerSecond')).to.equal('MEMORY_MB_PER_SECOND');
  });

  const refusedVariables: readonly (readonly [string, string, RegExp])[] = [
    ['ERROR_RATIO', '1.1', /^ERROR_RATIO: expected a number from 0 to 1, got 1\.1$/],
    ['ERROR_RATIO', '10%', /^ERROR_RATIO: expected a number from 0 to 1, got "10%"$/],
    ['LATENCY_MS', '-1', /^LATENCY_MS: expected a number from 0 to 60000, got -1$/],
    ['UNHEALTHY', 'yes', /^UNHEALTHY: expected true or false, got "yes"$/],
    ['CRASH_AFTER_SECONDS', 'Infinity', /^CRASH_AFTER_SECONDS: .*got Infinity$/],
  ];
  for (const [name, value, message] of refusedVariables) {
    it(`refuse ${name}=${value}, by name`, () => {
      expect(() => settingsFromEnvironment({ [name]: value })).to.throw(SettingsError, message);
    });
  }

  it('are read from JSON in part, null where nothing is to end', () => {
    const partial = settingsFromJson('{"errorRatio":1,"errorForSeconds":null,"unhealthy":false}');
    expect(partial).to.deep.equal({ errorRatio: 1, errorForSeconds: null, unhealthy: false });
  });

  const refusedJson: readonly (readonly [string, RegExp])[] = [
    ['{', /^not JSON: /],
    ['[]', /^expected a JSON object/],
    ['null', /^expected a JSON object/],
    ['{"errorRate":1}', /^errorRate: no such setting; there are errorRatio, /],
    ['{"toString":1}', /^toString: no such setting/],
    ['{"errorRatio":null}', /^errorRatio: .*got null$/],
    ['{"errorRatio":"1"}', /^errorRatio: .*got "1"$/],
    ['{"pqcFallback":1}', /^pqcFallback: expected true or false, got 1$/],
  ];
  for (const [text, message] of refusedJson) {
    it(`refuse the JSON ${text}`, () => {
      expect(() => settingsFromJson(text)).to.throw(SettingsError, message);
    });
  }
});
