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
          scrapeIntervalIsAssumed: true,
          lagMs: 1_000,
          timeoutMs: 5_000,
          auth: null,
          headers: {},
          tls: { caFile: null, certFile: null, keyFile: null },
          profile: 'http',
          labels: {},
          matchers: {},
        },
      ],
      defaultServer: 'main',
      pollIntervalMs: null,
      namespaces: null,
    });
  });

  it('keeps what it says', () => {
    const more =
      '    scrapeInterval: 30s\n    lag: 30s\n    matchers: {cluster: a}\npollInterval: 10s\n';
    const { servers, pollIntervalMs } = parseConfiguration(one + more, 'x0tta.yaml');
    expect(servers[0]).to.deep.include({ scrapeIntervalMs: 30_000, matchers: { cluster: 'a' } });
    expect(servers[0]).to.include({ scrapeIntervalIsAssumed: false });
    expect(pollIntervalMs).to.equal(10_000);
  });

  it('keeps the namespaces that it lists', () => {
    const { namespaces } = parseConfiguration(`${one}namespaces: [mesh, shop]\n`, 'x0tta.yaml');
    expect(namespaces).to.deep.equal(['mesh', 'shop']);
  });

  it('may have no server at all', () => {
    const { servers, defaultServer } = parseConfiguration('servers: []\n', 'x0tta.yaml');
    expect(servers).to.deep.equal([]);
    expect(defaultServer).to.equal(null);
  });

  const wrong: readonly (readonly [string, string, RegExp])[] = [
    ['nothing', '', /^x0tta\.yaml:1:1: servers: /],
    [
      'a default server where there is none',
      'servers: []\ndefaultServer: main\n',
      /^x0tta\.yaml:2:16: defaultServer: no server is listed$/,
    ],
    ['broken YAML', 'servers: [\n', /^x0tta\.yaml:2:1: /],
    ['an unknown field', `${one}    scrape: 1s\n`, /^x0tta\.yaml:2:5: servers\.0: .*scrape/],
    [
      'two credentials',
      `${one}    auth: {bearerTokenFile: /a, basic: {username: b, passwordFile: /c}}\n`,
      /either/,
    ],
    ['no credentials', `${one}    auth: {}\n`, /auth: names either bearerTokenFile or basic$/],
    ['half a certificate', `${one}    tls: {certFile: /a}\n`, /belong together$/],
    ['certificates without https', `${one}    tls: {caFile: /a}\n`, /tls: is for an https URL$/],
    ['an own header', `${one}    headers: {Authorization: x}\n`, /use auth for credentials$/],
    ['a header of two lines', `${one}    headers: {X-A: "a\\nb"}\n`, /on one line$/],
    ['a profile', `${one}    profile: mine\n`, /servers\.0\.profile: /],
    ['a list', '- name: main\n', /^x0tta\.yaml:1:1: the file: /],
    ['two documents', `${one}---\n${one}`, /^x0tta\.yaml:4:1: /],
    ['a field that is there twice', `${one}    url: http://b\n`, /^x0tta\.yaml:4:5: /],
    ['a name', "servers:\n  - {name: Main, url: 'http://b'}\n", /^x0tta\.yaml:2:12: .*DNS label/],
    ['a missing name', "servers:\n  - url: 'http://b'\n", /^x0tta\.yaml:2:5: servers\.0\.name: /],
    ['a missing address', 'servers:\n  - name: main\n', /^x0tta\.yaml:2:5: servers\.0\.url: /],
    ['a duration', `${one}    lag: soon\n`, /^x0tta\.yaml:4:10: servers\.0\.lag: "soon" is not/],
    ['a number of nothing', `${one}    lag: 5\n`, /^x0tta\.yaml:4:10: servers\.0\.lag: /],
    ['a negative lag', `${one}    lag: -1s\n`, /^x0tta\.yaml:4:10: servers\.0\.lag: /],
    [
      'a scrape interval that no window can follow',
      `${one}    scrapeInterval: 999ms\n`,
      /^x0tta\.yaml:4:21: servers\.0\.scrapeInterval: 999ms is under 1 s$/,
    ],
    [
      'a time-out that no answer can keep',
      `${one}    timeout: 99ms\n`,
      /^x0tta\.yaml:4:14: servers\.0\.timeout: 99ms is under 0\.1 s$/,
    ],
    [
      'a matcher that is no text',
      `${one}    matchers: {cluster: 5}\n`,
      /^x0tta\.yaml:4:25: servers\.0\.matchers\.cluster: /,
    ],
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
    [
      'a list of no namespaces',
      `${one}namespaces: []\n`,
      /^x0tta\.yaml:4:13: namespaces: needs at least one namespace$/,
    ],
    [
      'a namespace that can be none',
      `${one}namespaces: [mesh, '*']\n`,
      /^x0tta\.yaml:4:20: namespaces\.1: is not a DNS label$/,
    ],
    [
      'a namespace twice',
      `${one}namespaces: [mesh, shop, mesh]\n`,
      /^x0tta\.yaml:4:26: namespaces\.2: mesh is in the list already$/,
    ],
  ];
  for (const [what, text, message] of wrong) {
    it(`refuses ${what}, and says where`, () => {
      expect(errorOf(text)).to.match(message);
    });
  }

  it('takes the least that is allowed', () => {
    const least = '    scrapeInterval: 1s\n    lag: 0s\n    timeout: 100ms\npollInterval: 1s\n';
    const { servers, pollIntervalMs } = parseConfiguration(one + least, 'x0tta.yaml');
    expect(servers[0]).to.deep.include({ scrapeIntervalMs: 1_000, lagMs: 0, timeoutMs: 100 });
    expect(pollIntervalMs).to.equal(1_000);
  });

  it('has the default server that it names among several', () => {
    const second = "  - {name: second, url: 'http://b'}\ndefaultServer: second\n";
    expect(parseConfiguration(one + second, 'x0tta.yaml').defaultServer).to.equal('second');
  });

  it('lists all that is wrong, a line each', () => {
    const lines = errorOf(`${one}    lag: soon\n    scrape: 1s\npollInterval: 10ms\n`).split('\n');
    expect(lines.map((line) => line.split(' ')[0])).to.have.members([
      'x0tta.yaml:4:10:',
      'x0tta.yaml:2:5:',
      'x0tta.yaml:6:15:',
    ]);
  });

  const addressOf = (text: string): string | undefined =>
    parseConfiguration(`servers: [{name: main, url: "${text}"}]`, 'x0tta.yaml').servers[0]?.url;

  it('keeps the path of an address as a prefix', () => {
    expect(addressOf('https://host:9090/select/0/prometheus//')).to.equal(
      'https://host:9090/select/0/prometheus',
    );
  });

  const addresses: readonly (readonly [string, string])[] = [
    ['a user and password', 'http://me:secret@host/'],
    ['a user', 'http://secret@host/'],
    ['a password alone', 'http://:secret@host/'],
    ['a query', 'http://host/?token=secret'],
    ['a fragment', 'http://host/#secret'],
    ['another scheme', 'ftp://secret/'],
    ['no scheme', 'secret:9090'],
    ['a space in it', 'http://sec ret/'],
  ];
  for (const [what, address] of addresses) {
    it(`refuses an address with ${what}, and does not repeat it`, () => {
      const message = errorOf(`servers:\n  - {name: main, url: "${address}"}\n`);
      expect(message).to.match(/^x0tta\.yaml:2:23: servers\.0\.url: must be an http/);
      expect(message).to.not.match(/sec ?ret/);
    });
  }
});
