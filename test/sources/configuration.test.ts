// The configuration file: its defaults, and an error with a place for everything that is wrong.
import { expect } from 'chai';
import { parseConfiguration } from '../../src/sources/configuration.ts';

const one = 'servers:\n  - name: main\n    url: http://prometheus:9090/\n';

function errorOf(text: string): string {
  try {
    parseConfiguration(text, 'x0tta.yaml');
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return 'no error';
}

describe('the configuration', () => {
  it('has defaults for all but name and address', () => {
    expect(parseConfiguration(one, 'x0tta.yaml')).to.deep.equal({
      servers: [
        {
          name: 'main',
          url: 'http://prometheus:9090',
          scrapeIntervalMs: 15_000,
          lagMs: 1_000,
          timeoutMs: 5_000,
          matchers: {},
        },
      ],
      defaultServer: 'main',
      pollIntervalMs: null,
    });
  });

  it('keeps what it says', () => {
    const more =
      '    scrapeInterval: 30s\n    lag: 30s\n    matchers: {cluster: a}\npollInterval: 10s\n';
    const { servers, pollIntervalMs } = parseConfiguration(one + more, 'x0tta.yaml');
    expect(servers[0]).to.deep.include({ scrapeIntervalMs: 30_000, matchers: { cluster: 'a' } });
    expect(pollIntervalMs).to.equal(10_000);
  });

  const wrong: readonly (readonly [string, string, RegExp])[] = [
    ['nothing', '', /^x0tta\.yaml:1:1: servers: /],
    ['no server', 'servers: []\n', /^x0tta\.yaml:1:10: servers: needs at least one server$/],
    ['broken YAML', 'servers: [\n', /^x0tta\.yaml:2:1: /],
    ['an unknown field', `${one}    scrape: 1s\n`, /^x0tta\.yaml:2:5: servers\.0: .*scrape/],
    ['a duration', `${one}    lag: soon\n`, /^x0tta\.yaml:4:10: servers\.0\.lag: /],
    [
      'a short poll',
      `${one}pollInterval: 10ms\n`,
      /^x0tta\.yaml:4:15: pollInterval: 10ms is under 1 s/,
    ],
    [
      'a label',
      `${one}    matchers: {"a-b": c}\n`,
      /^x0tta\.yaml:4:\d+: servers\.0\.matchers\.a-b: /,
    ],
    [
      'a default that is none',
      `${one}defaultServer: other\n`,
      /^x0tta\.yaml:4:16: defaultServer: /,
    ],
    [
      'two servers of a name',
      `${one}  - {name: main, url: 'http://b'}\n`,
      /^x0tta\.yaml:4:12: servers\.1\.name: main is the name of another server too/,
    ],
    [
      'two servers and no default',
      `${one}  - {name: second, url: 'http://b'}\n`,
      /defaultServer is needed: one of main, second/,
    ],
  ];
  for (const [what, text, message] of wrong) {
    it(`refuses ${what}, and says where`, () => {
      expect(errorOf(text)).to.match(message);
    });
  }

  it('does not repeat an address that may hold a password', () => {
    const message = errorOf('servers:\n  - {name: main, url: "http://me:secret@host/"}\n');
    expect(message).to.match(/^x0tta\.yaml:2:23: servers\.0\.url: /);
    expect(message).to.not.include('secret');
  });
});
