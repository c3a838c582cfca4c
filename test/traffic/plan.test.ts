// The JSON patches of a route, as tables for what they test and as properties for what they do to
// any route: the share is right, and nothing else has changed.
import { expect } from 'chai';
import fc from 'fast-check';
import { trimRoute } from '../../src/kube/trim.ts';
import { carriedBy } from '../../src/core/situation.ts';
import { servicePair, viewOf, type HttpRoute } from '../../src/traffic/httpRoute.ts';
import { planHandBack, planRelease, planWeights, type RoutePatch } from '../../src/traffic/plan.ts';
import type { DesiredTraffic } from '../../src/traffic/port.ts';
import { applyPatch, PatchError } from './jsonPatch.ts';
import {
  backend,
  INCIDENT,
  incident,
  lowerTo,
  mark,
  markText,
  raiseTo,
  ROLLOUT,
  routeOf,
  splitRule,
  target,
  VERDICT,
} from './routes.ts';

const marked = { [ROLLOUT]: markText, [VERDICT]: 'none' };
const lines = (patch: RoutePatch): string[] =>
  patch.map((operation) => {
    const value = 'value' in operation ? ` ${JSON.stringify(operation.value)}` : '';
    return `${operation.op} ${operation.path}${value}`;
  });
const plan = (route: HttpRoute, desired: DesiredTraffic): RoutePatch =>
  planWeights(route, 'web', desired);
const refs = '/spec/rules/0/backendRefs';
const notes = '/metadata/annotations';
const names = [`test ${refs}/0/name "web-stable"`, `test ${refs}/1/name "web-canary"`];
const weights = (stable: number, canary: number): string[] => [
  `add ${refs}/0/weight ${stable}`,
  `add ${refs}/1/weight ${canary}`,
];
const markTest = `test ${notes}/x0tta.io~1rollout "${markText}"`;

describe('the patch of a route', () => {
  it('pins names and version when it raises, and makes the annotations', () => {
    expect(lines(plan(routeOf([splitRule(100, 0)]), raiseTo(5)))).to.deep.equal([
      ...names,
      'test /metadata/resourceVersion "7"',
      ...weights(95, 5),
      `add ${notes} {"${ROLLOUT}":"${markText}","${VERDICT}":"none"}`,
    ]);
  });

  it('adds to the annotations that are there', () => {
    const patch = plan(routeOf([splitRule(100, 0)], { mine: 'x' }), raiseTo(5));
    expect(lines(patch).slice(-2)).to.deep.equal([
      `add ${notes}/x0tta.io~1rollout "${markText}"`,
      `add ${notes}/x0tta.io~1verdict "none"`,
    ]);
  });

  it('pins names and mark when it lowers to nothing', () => {
    const patch = plan(routeOf([splitRule(50, 50)], marked), lowerTo(0));
    expect(lines(patch)).to.deep.equal([
      ...names,
      markTest,
      ...weights(100, 0),
      `add ${notes}/x0tta.io~1verdict "rejected"`,
      `add ${notes}/x0tta.io~1incident ${JSON.stringify(JSON.stringify(incident))}`,
    ]);
  });

  it('pins the weights too when it lowers to a share, for it might raise', () => {
    const patch = plan(routeOf([splitRule(undefined, 99)], marked), lowerTo(50));
    expect(lines(patch).slice(0, 7)).to.deep.equal([
      ...names,
      `test ${refs}/0/weight null`,
      `test ${refs}/1/weight 99`,
      markTest,
      ...weights(50, 50),
    ]);
  });

  it('pins the verdict when it writes that there is none', () => {
    const patch = plan(
      routeOf([splitRule(50, 50)], marked),
      lowerTo(0, { verdict: 'none', incident: null }),
    );
    expect(lines(patch)).to.deep.equal([
      ...names,
      markTest,
      `test ${notes}/x0tta.io~1verdict "none"`,
      ...weights(100, 0),
    ]);
  });

  it('pins that there is no annotation when it lowers a route without any', () => {
    const patch = plan(routeOf([splitRule(50, 50)]), lowerTo(0));
    expect(lines(patch)).to.include(`test ${notes} null`);
    const other = routeOf([splitRule(50, 50)], { mine: 'x' });
    expect(() => applyPatch(other, patch)).to.throw(PatchError, 'annotations differs');
  });

  it('compares no mark that it cannot read, and replaces it', () => {
    const route = routeOf([splitRule(50, 50)], {
      [ROLLOUT]: '<b>',
      [VERDICT]: '&',
      [INCIDENT]: '{',
    });
    const patch = plan(route, lowerTo(0, { verdict: 'none', incident: null }));
    expect(lines(patch)).to.deep.equal([
      ...names,
      ...weights(100, 0),
      `add ${notes}/x0tta.io~1rollout "${markText}"`,
      `add ${notes}/x0tta.io~1verdict "none"`,
      `remove ${notes}/x0tta.io~1incident`,
    ]);
  });

  it('writes a verdict where the weights stay, and pins no backend for it', () => {
    const patch = plan(routeOf([splitRule(50, 50)], marked), lowerTo(50, { incident: null }));
    expect(lines(patch)).to.deep.equal([markTest, `add ${notes}/x0tta.io~1verdict "rejected"`]);
  });

  it('keeps the first record of an incident', () => {
    const route = routeOf([splitRule(100, 0)], {
      [ROLLOUT]: markText,
      [VERDICT]: 'rejected',
      [INCIDENT]: JSON.stringify(incident),
    });
    const later = { ...incident, resolvedAt: '2026-01-31T12:00:01.000Z' };
    expect(plan(route, lowerTo(0, { incident: later }))).to.deep.equal([]);
    expect(plan(route, lowerTo(0, { incident: { ...later, id: 'x-2' } }))).to.not.deep.equal([]);
  });

  it('releases what is its own, and leaves the rest', () => {
    const route = routeOf([splitRule(50, 50)], { ...marked, [INCIDENT]: '{', mine: 'x' });
    expect(lines(planRelease(route, 'web', target.uid))).to.deep.equal([
      ...names,
      markTest,
      ...weights(100, 0),
      `remove ${notes}/x0tta.io~1rollout`,
      `remove ${notes}/x0tta.io~1verdict`,
      `remove ${notes}/x0tta.io~1incident`,
    ]);
    expect(planRelease(route, 'web', 'another')).to.deep.equal([]);
    const released = applyPatch(route, planRelease(route, 'web', target.uid));
    expect(released.metadata.annotations).to.deep.equal({ mine: 'x' });
    expect(planRelease(released, 'web', target.uid)).to.deep.equal([]);
    expect(planRelease(routeOf([splitRule(100, 0)]), 'web', target.uid)).to.deep.equal([]);
  });

  it('fails when the backends moved', () => {
    const patch = plan(routeOf([splitRule(50, 50)], marked), lowerTo(0));
    const moved = routeOf([{ backendRefs: [backend('other', 1)] }, splitRule(50, 50)], marked);
    expect(() => applyPatch(moved, patch)).to.throw(PatchError, `${refs}/0/name differs`);
  });

  describe('of any route', () => {
    const anyWeight = fc.option(fc.integer({ min: 0, max: 1000 }), { nil: undefined });
    const anyBackend = fc
      .tuple(fc.constantFrom('web-stable', 'web-canary', 'legacy', 'mirror'), anyWeight)
      .map(([name, weight]) => ({
        ...backend(name, weight),
        filters: [{ type: 'RequestHeaderModifier' }],
      }));
    const anyRule = fc.record({
      matches: fc.constant([{ path: { type: 'PathPrefix', value: '/' } }]),
      filters: fc.constant([{ type: 'URLRewrite' }]),
      backendRefs: fc.array(anyBackend, { maxLength: 6 }),
    });
    const anyAnnotations = fc.option(
      fc.record(
        {
          mine: fc.constant('x'),
          [ROLLOUT]: fc.constantFrom(markText, 'other/bcdfghjklm/1', 'nonsense'),
          [VERDICT]: fc.constantFrom('none', 'rejected', 'nonsense'),
          [INCIDENT]: fc.constantFrom(JSON.stringify(incident), 'nonsense'),
        },
        { requiredKeys: [] },
      ),
      { nil: undefined },
    );
    const anyRoute = fc
      .tuple(fc.array(anyRule, { maxLength: 3 }), anyAnnotations)
      .map(([rules, annotations]) => routeOf(rules, annotations));
    const anyDesired = fc
      .tuple(fc.constantFrom(raiseTo, lowerTo), fc.integer({ min: 0, max: 100 }))
      .map(([desire, percent]) => desire(percent));
    const view = (route: HttpRoute) => viewOf(route, servicePair('web'));

    /** The route without what the operator may change. */
    const foreignPart = (route: HttpRoute): unknown => {
      const copy = structuredClone(route) as unknown as {
        metadata: { annotations?: Record<string, string> };
        spec: { rules: { backendRefs: { weight?: number }[] }[] };
      };
      for (const { rule, stable, canary } of view(route).pairs) {
        for (const place of [stable, canary])
          delete copy.spec.rules[rule]?.backendRefs[place]?.weight;
      }
      const { annotations = {} } = copy.metadata;
      for (const name of [ROLLOUT, VERDICT, INCIDENT]) delete annotations[name];
      return { ...copy, metadata: { ...copy.metadata, annotations } };
    };

    it('changes nothing of others', () => {
      fc.assert(
        fc.property(anyRoute, anyDesired, (route, desired) => {
          const written = applyPatch(route, plan(route, desired));
          expect(foreignPart(written)).to.deep.equal(foreignPart(route));
        }),
        { numRuns: 500 },
      );
    });

    it('says what is desired, and has nothing to do the second time', () => {
      fc.assert(
        fc.property(anyRoute, anyDesired, (route, desired) => {
          const written = applyPatch(route, plan(route, desired));
          expect(plan(written, desired)).to.deep.equal([]);
          const kept = view(route).verdict === 'rejected' && view(written).verdict === 'rejected';
          expect(view(written).mark).to.deep.equal(mark);
          if (!kept) expect(view(written)).to.deep.include({ verdict: desired.verdict });
          if (!kept) expect(view(written).incident).to.deep.equal(desired.incident);
        }),
        { numRuns: 500 },
      );
    });

    it('gives the canary the share, and when lowering no more than it had', () => {
      fc.assert(
        fc.property(anyRoute, anyDesired, (route, desired) => {
          const before = view(route);
          const after = view(applyPatch(route, plan(route, desired)));
          expect(after.pairs).to.have.length(before.pairs.length);
          const wide = before.pairs.every((pair) => pair.stableWeight + pair.canaryWeight >= 100);
          if (desired.guard === 'lower') {
            expect(carriedBy(after)).to.be.at.most(desired.canaryWeight);
            expect(carriedBy(after)).to.be.at.most(carriedBy(before));
          } else if (before.pairs.length > 0 && wide) {
            expect(carriedBy(after)).to.equal(desired.canaryWeight);
          }
        }),
        { numRuns: 500 },
      );
    });

    it('releases any route that is not marked for another object, once', () => {
      fc.assert(
        fc.property(anyRoute, (route) => {
          const written = applyPatch(route, planRelease(route, 'web', target.uid));
          expect(foreignPart(written)).to.deep.equal(foreignPart(route));
          expect(planRelease(written, 'web', target.uid)).to.deep.equal([]);
          const theirs = view(route).mark !== null && view(route).mark?.uid !== target.uid;
          if (theirs) expect(written).to.deep.equal(route);
          else expect([carriedBy(view(written)), view(written).mark]).to.deep.equal([0, null]);
        }),
        { numRuns: 500 },
      );
    });
  });
});

describe("the patch that takes the operator's entries out of a route", () => {
  const owned = (...managers: readonly string[]): HttpRoute => {
    const route = routeOf([splitRule(100, 0)], marked);
    const managedFields = managers.map((text) => {
      const [manager = '', subresource = ''] = text.split('/');
      return { manager, ...(subresource === '' ? {} : { subresource }) };
    });
    return { ...route, metadata: { ...route.metadata, managedFields } };
  };
  const places = (route: HttpRoute): string[] =>
    lines(planHandBack(route, 'web', mark)).filter((line) => line.startsWith('remove'));

  it('pins the version and the name of the entry', () => {
    expect(lines(planHandBack(owned('helm', 'x0tta'), 'web', mark))).to.deep.equal([
      'test /metadata/resourceVersion "7"',
      'test /metadata/managedFields/1/manager "x0tta"',
      'remove /metadata/managedFields/1',
    ]);
  });

  it('takes every one of them, from the end, by its place in the whole list', () => {
    const route = owned('x0tta', 'gateway/status', 'x0tta/status', 'kubectl', 'x0tta', 'helm');
    const expected = ['remove /metadata/managedFields/4', 'remove /metadata/managedFields/0'];
    expect(places(route)).to.deep.equal(expected);
    expect(places(trimRoute(route)), 'of what the cache keeps').to.deep.equal(expected);
    expect(places(trimRoute(trimRoute(route))), 'twice trimmed').to.deep.equal(expected);
    const { managedFields } = applyPatch(route, planHandBack(route, 'web', mark)).metadata;
    const left = managedFields?.map(({ manager }) => manager);
    expect(left).to.deep.equal(['gateway', 'x0tta', 'kubectl', 'helm']);
  });

  it('is empty without an entry, with weight on the canary, and under another mark', () => {
    const route = owned('helm', 'x0tta');
    expect(places(owned('helm', 'x0tta/status'))).to.deep.equal([]);
    expect(places({ ...route, spec: { rules: [{}, splitRule(99, 1)] } })).to.deep.equal([]);
    expect(planHandBack(route, 'web', null)).to.deep.equal([]);
    expect(planHandBack(route, 'web', { ...mark, attempt: 2 })).to.deep.equal([]);
  });

  it('holds for a route that lost its mark', () => {
    const { metadata, ...rest } = owned('helm', 'x0tta');
    const { annotations: _, ...unmarked } = metadata;
    expect(places({ ...rest, metadata: unmarked })).to.have.lengthOf(1);
  });
});
