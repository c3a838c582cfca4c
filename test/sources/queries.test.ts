// The text of queries: what comes from outside stays inside its quotes, and the same targets give
// the same text.
import { expect } from 'chai';
import fc from 'fast-check';
import { PROFILES } from '../../src/sources/profiles.ts';
import {
  cpuQuery,
  escapeRegex,
  fallbackQuery,
  freshnessQuery,
  handshakesQuery,
  latencyQuery,
  memoryQuery,
  nativeLatencyQuery,
  quote,
  replicaSetOfPod,
  requestsQuery,
  scrapesQuery,
} from '../../src/sources/queries.ts';
import type { Dialect } from '../../src/sources/queries.ts';
import { selectorsOf } from './selectors.ts';

/** What a PromQL string literal means, by Go's rules for what quote() writes. */
function unquote(literal: string): string {
  expect(literal).to.match(/^"(?:[^"\\\n]|\\.)*"$/s);
  return literal.slice(1, -1).replaceAll(/\\(?:x([0-9a-f]{2})|(.))/g, (_, code, letter) => {
    if (code !== undefined) return String.fromCharCode(parseInt(String(code), 16));
    return letter === 'n' ? '\n' : String(letter);
  });
}

/** The literal after `name` and its operator, with its meaning: `namespace=~` of a selector. */
function literalAfter(query: string, name: string): string {
  const start = query.indexOf(name) + name.length;
  const [literal = ''] = /^"(?:[^"\\]|\\.)*"/.exec(query.slice(start)) ?? [];
  return unquote(literal);
}

function to(matchers: Dialect['matchers'] = {}): Dialect {
  const profile = PROFILES.http;
  return { profile, labels: profile.labels, matchers, scrapeIntervalMs: 15_000 };
}

const hostile = fc.string({
  unit: fc.oneof(fc.constantFrom('"', '\\', '\n', '|', '.', '*', '}', ')', '$'), fc.string()),
  minLength: 1,
});

describe('a query', () => {
  it('quotes any text so that it means itself', () => {
    const text = fc.string({
      unit: fc.oneof(fc.constantFrom('"', '\\', '\n', '\0', '\ud800', 'é'), fc.string()),
    });
    fc.assert(
      fc.property(text, (value) => {
        expect(unquote(quote(value))).to.equal(value.toWellFormed());
      }),
    );
  });

  it('escapes any text so that it matches itself alone', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (value, other) => {
        const expression = new RegExp(`^(?:${escapeRegex(value)})$`, 's');
        expect(expression.test(value)).to.equal(true);
        expect(expression.test(other)).to.equal(other === value);
      }),
    );
  });

  it('lets no matcher of the configuration out of its quotes', () => {
    const scope = { namespaces: ['mesh'], only: null };
    const query = freshnessQuery(scope, to({ cluster: 'a"} or vector(1) #' }));
    expect(query).to.include('cluster="a\\"} or vector(1) #"');
  });

  it('asks about the pods of a ReplicaSet and of no other whose name begins so', () => {
    const replicaSets = ['shop-b', 'shop-a'];
    const query = latencyQuery(
      { namespaces: ['mesh'], only: { replicaSets, services: [] } },
      to(),
      60_000,
    );
    const [, expression = ''] = /pod=~"([^"]*)"/.exec(query) ?? [];
    const pods = new RegExp(`^(?:${expression})$`);
    expect(pods.test('shop-a-bcdfg')).to.equal(true);
    expect(pods.test('shop-a-x-bcdfg')).to.equal(false);
    expect(pods.test('shop-a-bcdfgh')).to.equal(false);
    expect(query).to.include('[60s]').and.to.include('namespace="mesh"');
  });

  it('asks about the namespaces that are named, and no text in a name widens that', () => {
    fc.assert(
      fc.property(fc.array(hostile, { minLength: 2 }), hostile, (namespaces, other) => {
        const scope = { namespaces, only: null };
        const expression = literalAfter(freshnessQuery(scope, to()), 'namespace=~');
        const pattern = new RegExp(`^(?:${expression})$`, 's');
        for (const name of namespaces) expect(pattern.test(name)).to.equal(true);
        expect(pattern.test(other)).to.equal(namespaces.includes(other));
      }),
    );
  });

  it('asks about the ReplicaSets that are named, and no text in a name widens that', () => {
    fc.assert(
      fc.property(fc.array(hostile, { minLength: 1 }), hostile, (replicaSets, other) => {
        const scope = { namespaces: [other], only: { replicaSets, services: [] } };
        const query = latencyQuery(scope, to(), 60_000);
        expect(literalAfter(query, 'namespace=')).to.equal(other);
        const pattern = new RegExp(`^(?:${literalAfter(query, 'pod=~')})$`, 's');
        for (const name of replicaSets) expect(pattern.test(`${name}-x7x2z`)).to.equal(true);
        expect(pattern.test(`${other}-x7x2z`)).to.equal(replicaSets.includes(other));
      }),
    );
  });

  const scope = { namespaces: ['mesh'], only: null };
  const matchers = { cluster: 'a', region: 'b "c"' };
  const all: readonly (readonly [string, string, number])[] = [
    ['requests', requestsQuery(scope, to(matchers), 60_000), 2],
    ['latency', latencyQuery(scope, to(matchers), 60_000), 1],
    ['native latency', nativeLatencyQuery(scope, to(matchers), 60_000, [0.5]), 3],
    ['memory', memoryQuery(scope, to(matchers)), 1],
    ['cpu', cpuQuery(scope, to(matchers), 60_000), 1],
    ['handshakes', handshakesQuery(scope, to(matchers), 60_000), 4],
    ['fallback', fallbackQuery(scope, to(matchers)), 7],
    ['freshness', freshnessQuery(scope, to(matchers)), 3],
    ['scrapes', scrapesQuery(scope, to(matchers), 300_000), 3],
  ];
  for (const [what, query, selectors] of all) {
    it(`carries the server's matchers in every selector (${what})`, () => {
      const found = selectorsOf(query);
      expect(found).to.have.lengthOf(selectors);
      for (const selector of found) {
        expect(selector).to.include('namespace="mesh"');
        expect(selector).to.include('cluster="a", region="b \\"c\\""');
      }
    });
  }

  it('counts a request once: by its code, or by its status where it has no code', () => {
    const [byCode = '', byStatus = ''] = selectorsOf(requestsQuery(scope, to(), 60_000));
    expect(byCode).to.include('code!=""');
    expect(byStatus).to.include('code=""');
    expect(requestsQuery(scope, to(), 60_000)).to.match(/\(namespace, x0tta_rs, status\)/);
  });

  it('measures scrapes by every counter that was there all the time', () => {
    const { x0tta } = PROFILES;
    const own = 'x0tta6bl4_requests_total{namespace="mesh"}';
    const other = 'http_requests_total{namespace="mesh"}';
    const counts = [own, other].map(
      (series) => `(count_over_time(${series}[300s]) and ${series} and ${series} offset 300s)`,
    );
    const dialect = { ...to(), profile: x0tta };
    const query = scrapesQuery(scope, dialect, 300_000);
    expect(query).to.equal(`quantile(0.5, ${counts.join(' or ')})`);
  });

  it('measures scrapes by services where a profile names those', () => {
    const dialect = { ...to(), profile: PROFILES.traefik };
    const query = scrapesQuery(scope, dialect, 300_000);
    expect(selectorsOf(query)[0]).to.match(/^service=~"\(\?:mesh\)-/);
  });

  it('is the same text whatever the order of its targets', () => {
    const of = (...namespaces: string[]): string =>
      requestsQuery({ namespaces, only: null }, to(), 2_500);
    expect(of('b', 'a', 'b')).to.equal(of('a', 'b'));
    expect(of('a')).to.include('[2500ms]');
  });

  it('knows the ReplicaSet of a pod by its name', () => {
    expect(replicaSetOfPod('shop-5d8c9bcdfg-x7x2z')).to.equal('shop-5d8c9bcdfg');
    expect(replicaSetOfPod('shop-0')).to.equal(null);
  });
});
