// Tests of the policy a spec resolves to: the runbook's defaults, what an object overrides, and
// what it may not contradict.

import { expect } from 'chai';
import fc from 'fast-check';
import { alertOfCustomSignal, resolvePolicy } from '../../src/api/defaults.ts';
import type { Policy, ResolvedSignal } from '../../src/api/defaults.ts';
import type { SignalSpec, Spec } from '../../src/api/schema.ts';
import { specWith, specWithSignals } from './spec.ts';

function policyOf(spec: Spec): Policy {
  const result = resolvePolicy(spec);
  if (result.kind === 'invalid') throw new Error(result.messages.join('; '));
  return result.policy;
}

function signalOf(name: string, ...signals: readonly SignalSpec[]): ResolvedSignal {
  const found = policyOf(specWithSignals(...signals)).signals.find(
    (signal) => signal.name === name,
  );
  if (found === undefined) throw new Error(`no signal ${name}`);
  return found;
}

function messagesOf(...signals: readonly SignalSpec[]): readonly string[] {
  const result = resolvePolicy(specWithSignals(...signals));
  return result.kind === 'invalid' ? result.messages : [];
}

const queue: SignalSpec = {
  name: 'queueDepth',
  unit: 'count',
  query: 'q',
  critical: { above: '3' },
};

describe('resolvePolicy: what is left out', () => {
  it('fills in the fields of the spec', () => {
    expect(policyOf(specWith())).to.deep.include({
      replicas: 1,
      steps: [
        { weight: 10, holdSeconds: 120, needsApproval: false },
        { weight: 50, holdSeconds: 300, needsApproval: false },
      ],
      bakeSeconds: 600,
      observeOnly: false,
      maxSurge: 1,
      maxUnavailable: 0,
      drainDelaySeconds: 30,
      progressDeadlineSeconds: 600,
      revisionHistoryLimit: 10,
    });
  });

  it("judges errorRate and latencyP95 by the runbook's rows", () => {
    expect(policyOf(specWith()).signals.slice(0, 2)).to.deep.equal([
      {
        name: 'errorRate',
        alert: 'HIGH_ERROR_RATE',
        kind: 'errorRate',
        unit: 'ratio',
        direction: 'above',
        warning: 0.01,
        critical: 0.05,
        rollback: 0.1,
        forSeconds: 300,
        clearSeconds: 0,
        scale: 1,
        minRequests: 50,
        noData: 'Hold',
        windowSeconds: null,
        query: null,
        absentIsZero: false,
        needed: true,
      },
      {
        name: 'latencyP95',
        alert: 'HIGH_LATENCY',
        kind: 'latencyP95',
        unit: 'seconds',
        direction: 'above',
        warning: 0.15,
        critical: 0.2,
        rollback: 0.5,
        forSeconds: 600,
        clearSeconds: 0,
        scale: 1,
        minRequests: 50,
        noData: 'Hold',
        windowSeconds: null,
        query: null,
        absentIsZero: false,
        needed: true,
      },
    ]);
  });

  it('keeps the hold of the runbook when a rollback limit names none', () => {
    expect(signalOf('errorRate', { name: 'errorRate', rollback: { above: '8%' } })).to.deep.include(
      {
        rollback: 0.08,
        forSeconds: 300,
      },
    );
  });

  it('judges the other rows of the runbook without being asked, throughput excepted', () => {
    const limitsOf = (name: string): readonly unknown[] => {
      const found = policyOf(specWith()).signals.find((signal) => signal.name === name);
      if (found === undefined) return ['not judged'];
      const { direction, warning, critical, rollback, forSeconds, needed } = found;
      return [direction, warning, critical, rollback, forSeconds, needed];
    };
    expect(limitsOf('availability')).to.deep.equal(['below', null, 1, 0.0001, 300, true]);
    expect(limitsOf('memory')).to.deep.equal(['above', 2e9, 2.4e9, 2.4e9, 300, false]);
    expect(limitsOf('pqcHandshakeFailures')).to.deep.equal(['above', null, 0, 2, 60, false]);
    expect(limitsOf('pqcFallback')).to.deep.equal(['above', null, 0, 0, 0, false]);
    expect(limitsOf('cpu')).to.deep.equal(['above', 0.8, 0.95, null, 0, false]);
    expect(limitsOf('throughput')).to.deep.equal(['not judged']);
  });

  it('takes limits below in their own order', () => {
    const { signals } = policyOf(
      specWithSignals({ name: 'throughput', critical: { below: '90' } }),
    );
    expect(signals.at(-1)).to.include({ direction: 'below', warning: 6800, critical: 90 });
    const low = policyOf(specWithSignals({ name: 'throughput', warning: { below: '90' } }));
    expect(low.signals.at(-1)).to.include({ warning: 90, critical: 90 });
  });

  it('knows a core of CPU by the limits of the containers', () => {
    const scaleOf = (...limits: readonly unknown[]): number | undefined => {
      const containers = limits.map((cpu) => ({ resources: { limits: { cpu } } }));
      const template = { metadata: { labels: { app: 'web' } }, spec: { containers } };
      return policyOf(specWith({ template })).signals.find(({ name }) => name === 'cpu')?.scale;
    };
    expect(scaleOf('500m', '1.5')).to.equal(2);
    expect(scaleOf(2)).to.equal(2);
    expect(scaleOf('500m', undefined)).to.equal(1);
    expect(scaleOf('much')).to.equal(1);
  });

  it('bakes for as long as it says, and no less than the longest hold of what is needed', () => {
    const bake = (text?: string): number =>
      policyOf(
        specWith({
          canary: { steps: [{ weight: 5, hold: '1m' }], ...(text ? { bake: text } : {}) },
        }),
      ).bakeSeconds;
    expect([bake(), bake('1m'), bake('30m')]).to.deep.equal([600, 600, 1800]);
  });
});

describe('resolvePolicy: what an object says', () => {
  it('takes every field of a built-in signal', () => {
    const signal = signalOf('latencyP95', {
      name: 'latencyP95',
      warning: { above: '100ms' },
      critical: { above: '300ms' },
      rollback: { above: '1s', for: '90s' },
      minRequests: 7,
      noData: 'Rollback',
      window: '30s',
    });
    expect(signal).to.deep.include({
      warning: 0.1,
      critical: 0.3,
      rollback: 1,
      forSeconds: 90,
      minRequests: 7,
      noData: 'Rollback',
      windowSeconds: 30,
      needed: true,
    });
  });

  it('does not need a signal whose absence it ignores', () => {
    expect(signalOf('errorRate', { name: 'errorRate', noData: 'Ignore' }).needed).to.equal(false);
    expect(signalOf('queueDepth', queue).needed).to.equal(false);
    expect(signalOf('queueDepth', { ...queue, noData: 'Hold' }).needed).to.equal(true);
  });

  it('gives a custom signal the limits it names and no others', () => {
    expect(signalOf('queueDepth', queue)).to.deep.equal({
      name: 'queueDepth',
      alert: 'QUEUE_DEPTH',
      kind: 'custom',
      unit: 'count',
      direction: 'above',
      warning: null,
      critical: 3,
      rollback: null,
      forSeconds: 0,
      clearSeconds: 0,
      scale: 1,
      minRequests: 0,
      noData: 'Ignore',
      windowSeconds: null,
      query: 'q',
      absentIsZero: false,
      needed: false,
    });
  });

  it('knows the direction of limits below', () => {
    const throughput: SignalSpec = {
      name: 'served',
      unit: 'perSecond',
      query: 'q',
      warning: { below: '6800' },
      rollback: { below: '6000', for: '1m' },
    };
    expect(signalOf('served', throughput)).to.deep.include({
      direction: 'below',
      warning: 6800,
      rollback: 6000,
    });
  });

  it('puts built-in signals first and keeps the order of the others', () => {
    const second: SignalSpec = { ...queue, name: 'a' };
    const names = policyOf(specWithSignals(queue, { name: 'latencyP95' }, second)).signals.map(
      ({ name }) => name,
    );
    expect(names.slice(0, 2)).to.deep.equal(['errorRate', 'latencyP95']);
    expect(names.slice(-2)).to.deep.equal(['queueDepth', 'a']);
  });
});

describe('resolvePolicy: a default beside a given limit', () => {
  it('lowers defaults beyond a given rollback limit to it', () => {
    expect(signalOf('errorRate', { name: 'errorRate', rollback: { above: '3%' } })).to.deep.include(
      {
        warning: 0.01,
        critical: 0.03,
        rollback: 0.03,
      },
    );
    expect(
      signalOf('errorRate', { name: 'errorRate', rollback: { above: '0.5%' } }),
    ).to.deep.include({
      warning: 0.005,
      critical: 0.005,
    });
  });

  it('lowers the default warning to a given critical limit', () => {
    expect(
      signalOf('errorRate', { name: 'errorRate', critical: { above: '0.2%' } }).warning,
    ).to.equal(0.002);
  });

  it('raises the default critical limit to a given warning', () => {
    expect(
      signalOf('errorRate', { name: 'errorRate', warning: { above: '7%' } }).critical,
    ).to.equal(0.07);
  });

  it('never loosens the default rollback limit; it asks for both', () => {
    expect(messagesOf({ name: 'errorRate', critical: { above: '20%' } })).to.deep.equal([
      'spec.signals[errorRate].critical: 20% is beyond rollback (10%, the default; set both)',
    ]);
    expect(messagesOf({ name: 'errorRate', warning: { above: '20%' } })).to.have.length(1);
  });

  it('is in order whatever limits are given', () => {
    const percent = fc.option(
      fc.integer({ min: 0, max: 100 }).map((n) => ({ above: `${n}%` })),
      { nil: undefined },
    );
    fc.assert(
      fc.property(percent, percent, percent, (warning, critical, rollback) => {
        const signal = {
          name: 'errorRate',
          ...(warning && { warning }),
          ...(critical && { critical }),
          ...(rollback && { rollback }),
        };
        const result = resolvePolicy(specWithSignals(signal));
        if (result.kind === 'invalid') {
          expect(result.messages.join()).to.match(/^spec\.signals\[errorRate\]/);
          return;
        }
        const [found] = result.policy.signals;
        const limits = [found?.warning, found?.critical, found?.rollback].map(Number);
        expect(limits).to.deep.equal(limits.toSorted((a, b) => a - b));
        if (rollback) expect(found?.rollback).to.equal(Number.parseInt(rollback.above, 10) / 100);
        else expect(found?.rollback).to.equal(0.1);
      }),
    );
  });
});

describe('resolvePolicy: what cannot be used', () => {
  const cases: readonly (readonly [string, SignalSpec, string])[] = [
    [
      'a limit of another unit',
      { name: 'errorRate', rollback: { above: '1s' } },
      '.rollback.above: "1s"',
    ],
    [
      'both directions in a limit',
      { ...queue, critical: { above: '1', below: '2' } },
      '.critical: ',
    ],
    ['directions that differ', { ...queue, warning: { below: '1' } }, '.critical: '],
    [
      'limits out of order',
      { ...queue, warning: { above: '9' } },
      '.warning: 9 is beyond critical (3)',
    ],
    [
      'a custom signal without a query',
      { name: 'queueDepth', unit: 'count', critical: { above: '3' } },
      '.query: ',
    ],
    [
      'a custom signal without a unit',
      { name: 'queueDepth', query: 'q', critical: { above: '3' } },
      '.unit: ',
    ],
    ['a custom rollback without a hold', { ...queue, rollback: { above: '5' } }, '.rollback.for: '],
    [
      'a hold of nothing',
      { ...queue, rollback: { above: '5', for: '0s' } },
      '.rollback.for: must be above zero',
    ],
    ['a window that is no duration', { ...queue, window: 'soon' }, '.window: "soon"'],
  ];
  for (const [what, signal, expected] of cases) {
    it(`names the field of ${what}`, () => {
      expect(messagesOf(signal)).to.have.length(1);
      expect(messagesOf(signal)[0]).to.include(`spec.signals[${signal.name}]${expected}`);
    });
  }

  it('names every field at once', () => {
    const steps = [
      { weight: 1, hold: 'x' },
      { weight: 2, hold: 'y' },
    ];
    const result = resolvePolicy(specWith({ canary: { steps, drainDelay: 'z' } }));
    expect(
      result.kind === 'invalid' && result.messages.map((text) => text.split(':')[0]),
    ).to.deep.equal([
      'spec.canary.steps[0].hold',
      'spec.canary.steps[1].hold',
      'spec.canary.drainDelay',
    ]);
  });

  it('refuses two signals of one alert', () => {
    expect(messagesOf(queue, { ...queue, name: 'queue-depth' })).to.deep.equal([
      'spec.signals[queue-depth].name: its alert QUEUE_DEPTH is that of queueDepth too',
    ]);
  });
});

describe('alertOfCustomSignal', () => {
  const cases = { 'checkout-failures': 'CHECKOUT_FAILURES', queueDepth: 'QUEUE_DEPTH', p99: 'P99' };
  for (const [name, alert] of Object.entries(cases)) {
    it(`names ${name} ${alert}`, () => expect(alertOfCustomSignal(name)).to.equal(alert));
  }
});
