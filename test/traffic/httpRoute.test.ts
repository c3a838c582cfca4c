// What core is told of an HTTPRoute: which rules hold the pair, whether the gateways have accepted,
// and who else writes to it.
import { expect } from 'chai';
import type { RouteView } from '../../src/core/model.ts';
import {
  servicePair,
  viewOf,
  type BackendRef,
  type HttpRoute,
  type RouteCondition,
} from '../../src/traffic/httpRoute.ts';
import { backend, mark, markText, ROLLOUT, routeOf, splitRule, VERDICT } from './routes.ts';

const view = (route: HttpRoute): RouteView => viewOf(route, servicePair('web'));
const pairs = (...backendRefs: readonly BackendRef[]): string[] =>
  view(routeOf([{}, { backendRefs }])).pairs.map(
    (pair) =>
      `rule ${pair.rule}: ${pair.stable}=${pair.stableWeight} ${pair.canary}=${pair.canaryWeight}`,
  );

describe('the view of an HTTPRoute', () => {
  const [stable, canary] = [backend('web-stable', 90), backend('web-canary', 10)];
  const cases: readonly [string, readonly BackendRef[], readonly string[]][] = [
    ['a pair', [stable, canary], ['rule 1: 0=90 1=10']],
    ['a pair among others', [backend('x'), canary, stable], ['rule 1: 2=90 1=10']],
    ['defaults', [{ name: 'web-stable' }, { name: 'web-canary' }], ['rule 1: 0=1 1=1']],
    ['the namespace itself', [{ ...stable, namespace: 'mesh' }, canary], ['rule 1: 0=90 1=10']],
    ['another namespace', [{ ...stable, namespace: 'other' }, canary], []],
    ['another kind', [{ ...stable, kind: 'ServiceImport' }, canary], []],
    ['another group', [stable, { ...canary, group: 'x.io' }], []],
    ['stable alone', [stable], []],
    ['canary alone', [canary], []],
    ['nothing', [], []],
    [
      'two ports',
      [stable, { ...stable, port: 81 }, canary, { ...canary, port: 81 }],
      ['rule 1: 0=90 2=10', 'rule 1: 1=90 3=10'],
    ],
  ];
  for (const [name, refs, expected] of cases) {
    it(`finds the pairs of a rule with ${name}`, () => {
      expect(pairs(...refs)).to.deep.equal(expected);
    });
  }

  it('names the route, its version and what its annotations say', () => {
    const route = routeOf([splitRule(100, 0)], { [ROLLOUT]: markText, [VERDICT]: 'none' });
    expect(view(route)).to.deep.include({
      kind: 'HTTPRoute',
      name: 'web',
      uid: 'uid-web',
      resourceVersion: '7',
      mark,
      verdict: 'none',
      incident: null,
    });
  });

  it('has no pair on a route without rules', () => {
    expect(view({ ...routeOf([]), spec: {} }).pairs).to.deep.equal([]);
  });

  const condition = (type: string, change: Partial<RouteCondition> = {}): RouteCondition => ({
    type,
    status: 'True',
    reason: type,
    message: '',
    observedGeneration: 1,
    ...change,
  });
  const accepted = [condition('Accepted'), condition('ResolvedRefs')];
  const reported = (...parents: readonly (readonly RouteCondition[])[]): RouteView =>
    view({
      ...routeOf([splitRule(100, 0)]),
      status: {
        parents: parents.map((conditions, index) => ({
          parentRef: { name: `gateway-${index}` },
          controllerName: 'example.org/gateway',
          conditions,
        })),
      },
    });

  it('is accepted when every parent says so of this generation', () => {
    expect(reported(accepted, accepted)).to.include({ accepted: true, notAccepted: '' });
  });

  const late = condition('Accepted', { observedGeneration: 0 });
  const refused = condition('ResolvedRefs', {
    status: 'False',
    reason: 'BackendNotFound',
    message: 'service "web-canary" not found',
  });
  const objections: readonly [string, RouteView, string][] = [
    ['nobody has reported', reported(), 'no gateway has reported on the route yet'],
    [
      'one parent has said nothing',
      reported(accepted, []),
      'gateway-1 (example.org/gateway) has not said Accepted yet',
    ],
    [
      'one speaks of an earlier generation',
      reported([late, condition('ResolvedRefs')]),
      'gateway-0 (example.org/gateway) said Accepted of generation 0, not yet of 1',
    ],
    [
      'one cannot find a backend, in its words',
      reported(accepted, [condition('Accepted'), refused]),
      'gateway-1 (example.org/gateway) says ResolvedRefs is False: BackendNotFound: ' +
        'service "web-canary" not found',
    ],
  ];
  for (const [name, given, notAccepted] of objections) {
    it(`is not accepted when ${name}`, () => {
      expect(given).to.include({ accepted: false, notAccepted });
    });
  }

  it('bounds the words of a router', () => {
    const wordy = condition('Accepted', { status: 'False', message: 'x'.repeat(32_768) });
    expect(Buffer.byteLength(reported([wordy]).notAccepted)).to.equal(1024);
  });

  it('is not accepted when a pair that shares its rule has no share to give', () => {
    const route = routeOf([splitRule(99, 0, backend('legacy', 1))]);
    expect(view(route)).to.include({ accepted: false });
    expect(view(route).notAccepted).to.include('rule 0 has other backends');
    const wide = routeOf([splitRule(99, 1, backend('legacy', 1))]);
    expect(view(wide).notAccepted).to.include('no gateway');
  });

  it('names the newest other manager that has the rules', () => {
    const rules = { 'f:spec': { 'f:rules': {} } };
    const managedFields = [
      { manager: 'old', time: '2026-01-01T00:00:00Z', fieldsV1: rules },
      { manager: 'argocd', time: '2026-01-02T00:00:00Z', fieldsV1: rules },
      { manager: 'labeller', time: '2026-01-03T00:00:00Z', fieldsV1: { 'f:spec': {} } },
      { manager: 'gateway', subresource: 'status', time: '2026-01-04T00:00:00Z', fieldsV1: rules },
      { manager: 'x0tta', time: '2026-01-05T00:00:00Z', fieldsV1: rules },
    ];
    const route = routeOf([]);
    const managed = (fields: typeof managedFields): RouteView =>
      view({ ...route, metadata: { ...route.metadata, managedFields: fields } });
    expect(managed(managedFields).otherManager).to.equal('argocd');
    expect(managed(managedFields.slice(2)).otherManager).to.equal(null);
    expect(view(route).otherManager).to.equal(null);
  });
});
