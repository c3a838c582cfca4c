// What every router's provider must do, whatever it writes to: the suite runs against a world that
// makes routes, lets another writer at them, and says what they carry.
import { expect } from 'chai';
import type { RouteKind } from '../../src/api/schema.ts';
import type { RouteView } from '../../src/core/model.ts';
import { carriedBy } from '../../src/core/situation.ts';
import type { RouteOutcome, TrafficProvider, TrafficTarget } from '../../src/traffic/port.ts';
import { incident, lowerTo, mark, raiseTo } from '../traffic/routes.ts';

/** Weights of one route: the pair's, and of a backend besides where there is one. */
export interface RouteWeights {
  readonly stable: number;
  readonly canary: number;
  readonly other?: number;
}

/** Routes of service `web` in namespace `mesh`, and what the provider knows of them. */
export interface TrafficWorld {
  readonly provider: TrafficProvider;
  /**
   * Makes a route, or overwrites its rules, as its user would; at first unseen by `provider.read`.
   * 'none': a rule that holds neither service of the pair.
   */
  write(route: string, weights: RouteWeights | 'none'): Promise<void>;
  remove(route: string): Promise<void>;
  /** What the route carries in truth. */
  weights(route: string): Promise<RouteWeights>;
  /** From here `provider.read` knows all that was written. */
  catchUp(): Promise<void>;
}

/** Defines the suite; `setUp` makes a new, empty world for each test. */
export function describeTrafficProvider(
  name: string,
  kind: RouteKind,
  targetOf: () => TrafficTarget,
  setUp: () => Promise<TrafficWorld>,
): void {
  describe(`${name} as a traffic provider`, () => {
    let world: TrafficWorld;
    let target: TrafficTarget;

    beforeEach(async () => {
      world = await setUp();
      target = { ...targetOf(), routes: [{ kind, name: 'web' }] };
    });

    const twoRoutes = (): TrafficTarget => ({
      ...target,
      routes: [...target.routes, { kind, name: 'admin' }],
    });
    const raise = (percent: number, where = target): Promise<readonly RouteOutcome[]> =>
      world.provider.carryOut(where, world.provider.read(where), {
        ...raiseTo(percent),
        mark: { ...mark, uid: target.uid },
      });
    const lower = (percent: number, where = target): Promise<readonly RouteOutcome[]> =>
      world.provider.carryOut(where, world.provider.read(where), {
        ...lowerTo(percent),
        mark: { ...mark, uid: target.uid },
      });
    const make = async (weights: RouteWeights, route = 'web'): Promise<void> => {
      await world.write(route, weights);
      await world.catchUp();
    };
    const viewed = (): RouteView => {
      const [view] = world.provider.read(target);
      if (view === null || view === undefined)
        throw new Error('the provider does not see the route');
      return view;
    };
    const kinds = (outcomes: readonly RouteOutcome[]): string[] =>
      outcomes.map((outcome) =>
        outcome.kind === 'done' ? `done ${outcome.changed}` : outcome.kind,
      );

    it('raises, says so on the route, and sees its own write at once', async () => {
      await make({ stable: 100, canary: 0 });
      expect(kinds(await raise(25))).to.deep.equal(['done true']);
      expect(await world.weights('web')).to.deep.equal({ stable: 75, canary: 25 });
      expect(carriedBy(viewed())).to.equal(25);
      expect(viewed()).to.deep.include({ verdict: 'none', incident: null });
      expect(viewed().mark).to.deep.equal({ ...mark, uid: target.uid });
    });

    it('writes nothing where all is as desired', async () => {
      await make({ stable: 100, canary: 0 });
      await raise(25);
      const { resourceVersion } = viewed();
      expect(kinds(await raise(25))).to.deep.equal(['done false']);
      await lower(0);
      expect(kinds(await lower(0))).to.deep.equal(['done false']);
      expect(viewed().resourceVersion).to.not.equal(resourceVersion);
    });

    it('keeps the sum of the pair and the weight of every other backend', async () => {
      await make({ stable: 300, canary: 0, other: 50 });
      await raise(10);
      expect(await world.weights('web')).to.deep.equal({ stable: 270, canary: 30, other: 50 });
      await lower(0);
      expect(await world.weights('web')).to.deep.equal({ stable: 300, canary: 0, other: 50 });
    });

    it('carries the verdict and its incident with the weight', async () => {
      await make({ stable: 100, canary: 0 });
      await raise(50);
      expect(kinds(await lower(0))).to.deep.equal(['done true']);
      expect(await world.weights('web')).to.deep.equal({ stable: 100, canary: 0 });
      expect(viewed()).to.deep.include({ verdict: 'rejected', incident });
    });

    it('carries the verdict also where the weights stay', async () => {
      await make({ stable: 100, canary: 0 });
      await raise(50);
      expect(kinds(await lower(50))).to.deep.equal(['done true']);
      expect(await world.weights('web')).to.deep.equal({ stable: 50, canary: 50 });
      expect(viewed().verdict).to.equal('rejected');
    });

    it('gives no weight to what the route says was rejected', async () => {
      await make({ stable: 100, canary: 0 });
      await raise(5);
      await lower(0);
      const [outcome] = await raise(5);
      expect(outcome).to.have.property('kind', 'conflict');
      expect(outcome).to.have.property('message').that.includes('was rejected');
      expect(await world.weights('web')).to.deep.equal({ stable: 100, canary: 0 });
    });

    it('takes no rejection back when it lowers', async () => {
      await make({ stable: 100, canary: 0 });
      await raise(5);
      await lower(0);
      await world.provider.carryOut(target, world.provider.read(target), {
        ...lowerTo(0),
        mark: { ...mark, uid: target.uid },
        verdict: 'none',
        incident: null,
      });
      expect(viewed()).to.deep.include({ verdict: 'rejected', incident });
    });

    it('starts the next attempt with a clean mark', async () => {
      await make({ stable: 100, canary: 0 });
      await raise(5);
      await lower(0);
      const next = { ...mark, uid: target.uid, attempt: 2 };
      const outcomes = await world.provider.carryOut(target, world.provider.read(target), {
        ...raiseTo(5),
        mark: next,
      });
      expect(kinds(outcomes)).to.deep.equal(['done true']);
      expect(viewed()).to.deep.include({ verdict: 'none', incident: null, mark: next });
    });

    it('raises nothing on a route that changed since the decision', async () => {
      await make({ stable: 100, canary: 0 });
      const views = world.provider.read(target);
      await world.write('web', { stable: 200, canary: 0 });
      const desired = { ...raiseTo(5), mark: { ...mark, uid: target.uid } };
      const [unseen] = await world.provider.carryOut(target, views, desired);
      await world.catchUp();
      const [seen] = await world.provider.carryOut(target, views, desired);
      expect([unseen?.kind, seen?.kind]).to.deep.equal(['conflict', 'conflict']);
      expect(await world.weights('web')).to.deep.equal({ stable: 200, canary: 0 });
    });

    it('lowers a route that changed since it was read', async () => {
      await make({ stable: 100, canary: 0 });
      await raise(50);
      await world.write('web', { stable: 10, canary: 90 });
      expect(kinds(await lower(0))).to.deep.equal(['done true']);
      expect(await world.weights('web')).to.include({ canary: 0 });
      expect((await world.provider.readBack(target)).atZero).to.equal(true);
    });

    it('never leaves the canary with more than it found when it lowers', async () => {
      await make({ stable: 90, canary: 10 });
      await lower(50);
      expect(await world.weights('web')).to.deep.equal({ stable: 90, canary: 10 });
      await world.write('web', { stable: 97, canary: 3 });
      await lower(5);
      expect(await world.weights('web')).to.deep.equal({ stable: 97, canary: 3 });
    });

    it('writes all routes, each to its own sum', async () => {
      await make({ stable: 100, canary: 0 });
      await make({ stable: 1000, canary: 0 }, 'admin');
      expect(kinds(await raise(20, twoRoutes()))).to.deep.equal(['done true', 'done true']);
      expect(await world.weights('web')).to.deep.equal({ stable: 80, canary: 20 });
      expect(await world.weights('admin')).to.deep.equal({ stable: 800, canary: 200 });
    });

    it('counts a missing route as done when it lowers, and gives none weight', async () => {
      await make({ stable: 100, canary: 0 });
      const where = twoRoutes();
      expect(world.provider.read(where)[1]).to.equal(null);
      expect(kinds(await raise(20, where))).to.deep.equal(['done true', 'gone']);
      expect(kinds(await lower(0, where))).to.deep.equal(['done true', 'gone']);
      expect(await world.provider.readBack(where)).to.include({ atZero: true, message: '' });
    });

    it('counts a route that went away unseen as gone', async () => {
      await make({ stable: 100, canary: 0 });
      await raise(20);
      await world.remove('web');
      expect(kinds(await lower(0))).to.deep.equal(['gone']);
    });

    it('lowers a route that it does not see yet', async () => {
      await world.write('web', { stable: 60, canary: 40 });
      expect(kinds(await lower(0))).to.deep.equal(['done true']);
      expect(await world.weights('web')).to.deep.equal({ stable: 100, canary: 0 });
    });

    it('reads back what is there, not what it saw', async () => {
      await make({ stable: 100, canary: 0 });
      await world.write('web', { stable: 70, canary: 30 });
      const { atZero, message } = await world.provider.readBack(target);
      expect(atZero).to.equal(false);
      expect(message).to.include('web gives 30 % to web-canary');
      expect(carriedBy(viewed()), 'and knows it from then on').to.equal(30);
      expect(viewed().otherManager).to.be.a('string');
    });

    it('releases a route: the canary at 0, nothing of the rollout left, once', async () => {
      await make({ stable: 100, canary: 0 });
      await raise(40);
      await lower(20);
      expect(kinds(await world.provider.release(target))).to.deep.equal(['done true']);
      expect(await world.weights('web')).to.deep.equal({ stable: 100, canary: 0 });
      expect(viewed()).to.deep.include({ mark: null, verdict: null, incident: null });
      expect(kinds(await world.provider.release(target))).to.deep.equal(['done false']);
    });

    it("does not release another object's rollout", async () => {
      await make({ stable: 100, canary: 0 });
      await raise(40);
      const other = { ...target, uid: '7d3c1f6e-0000-4000-8000-00000000000f' };
      expect(kinds(await world.provider.release(other))).to.deep.equal(['done false']);
      expect(await world.weights('web')).to.deep.equal({ stable: 60, canary: 40 });
    });

    describe('handing the fields of a route back', () => {
      const handBack = (where = target): Promise<readonly RouteOutcome[]> =>
        world.provider.handBack(where, world.provider.read(where));

      it('takes its own entry out once, and changes nothing else', async () => {
        await make({ stable: 100, canary: 0 });
        expect(viewed().fieldsOwned, 'before any write').to.equal(false);
        await raise(40);
        await lower(0);
        const { fieldsOwned, resourceVersion: _, ...before } = viewed();
        expect(fieldsOwned, 'with a rollout behind it').to.equal(true);
        expect(kinds(await handBack())).to.deep.equal(['done true']);
        const { fieldsOwned: owned, resourceVersion, ...after } = viewed();
        expect(owned).to.equal(false);
        expect(after).to.deep.equal(before);
        expect(kinds(await handBack())).to.deep.equal(['done false']);
        await world.catchUp();
        expect(viewed()).to.deep.include({ fieldsOwned: false, resourceVersion });
      });

      it('has an entry again with the next write', async () => {
        await make({ stable: 100, canary: 0 });
        await raise(40);
        await lower(0);
        await handBack();
        const next = { ...mark, uid: target.uid, attempt: 2 };
        const desired = { ...raiseTo(10), mark: next };
        await world.provider.carryOut(target, world.provider.read(target), desired);
        expect(viewed().fieldsOwned).to.equal(true);
      });

      it('waits for the end of the weight', async () => {
        await make({ stable: 100, canary: 0 });
        await raise(40);
        expect(kinds(await handBack())).to.deep.equal(['done false']);
        expect(viewed().fieldsOwned).to.equal(true);
      });

      it('takes it out of a route that changed since it was read', async () => {
        await make({ stable: 100, canary: 0 });
        await raise(40);
        await lower(0);
        await world.write('web', { stable: 300, canary: 0 });
        expect(kinds(await handBack())).to.deep.equal(['done true']);
        expect(viewed().fieldsOwned).to.equal(false);
        expect(await world.weights('web')).to.deep.equal({ stable: 300, canary: 0 });
      });

      it('takes it out after a release, which made it anew', async () => {
        await make({ stable: 100, canary: 0 });
        await raise(40);
        const views = world.provider.read(target);
        await world.provider.release(target);
        expect(viewed().fieldsOwned).to.equal(true);
        expect(kinds(await world.provider.handBack(target, views))).to.deep.equal(['done true']);
        expect(viewed()).to.deep.include({ fieldsOwned: false, mark: null });
      });

      it('leaves routes that it is shown no view of, or that got another mark', async () => {
        await make({ stable: 100, canary: 0 });
        await raise(40);
        await lower(0);
        expect(kinds(await world.provider.handBack(target, [null]))).to.deep.equal(['done false']);
        const views = world.provider.read(target);
        const next = { ...mark, uid: target.uid, attempt: 2 };
        const desired = { ...lowerTo(0), mark: next };
        await world.provider.carryOut(target, views, desired);
        expect(kinds(await world.provider.handBack(target, views))).to.deep.equal(['done false']);
        expect(viewed().fieldsOwned).to.equal(true);
      });

      it('does so on every route, and counts a missing one as gone', async () => {
        await make({ stable: 100, canary: 0 });
        await make({ stable: 100, canary: 0 }, 'admin');
        await raise(20, twoRoutes());
        await lower(0, twoRoutes());
        const views = world.provider.read(twoRoutes());
        await world.remove('web');
        const outcomes = await world.provider.handBack(twoRoutes(), views);
        expect(kinds(outcomes)).to.deep.equal(['gone', 'done true']);
      });
    });

    it('says when a rule does not hold the pair', async () => {
      await world.write('web', 'none');
      await world.catchUp();
      expect(viewed().pairs).to.deep.equal([]);
      const [outcome] = await raise(5);
      expect(outcome).to.have.property('kind', 'conflict');
    });
  });
}
