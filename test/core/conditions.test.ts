// What TrafficRouted says: a router that lags before who gets past it.
import { expect } from 'chai';
import { decide } from '../../src/core/decide.ts';
import type { Observation } from '../../src/core/model.ts';
import { foldStatus } from '../../src/core/status.ts';
import { canaryInTraffic, spec } from './canary.ts';
import { FakeCluster } from './fakeCluster.ts';

describe('TrafficRouted', () => {
  let cluster: FakeCluster;

  beforeEach(() => {
    cluster = new FakeCluster(spec);
    canaryInTraffic(cluster);
  });

  const said = (change: Partial<Observation>): readonly (string | undefined)[] => {
    const { conditions } = foldStatus(decide({ ...cluster.observe(), ...change }), []);
    const routed = conditions?.find(({ type }) => type === 'TrafficRouted');
    return [routed?.status, routed?.reason, routed?.message];
  };

  it('names who reaches the pods past the router, where the user’s Service selects them', () => {
    const [status, reason, message] = said({});
    expect([status, reason]).to.deep.equal(['True', 'ServiceBypassesRouter']);
    expect(message).to.match(/calls Service \S+ itself, past the router, reaches the pods/);
  });

  it('says nothing more where the user’s Service selects none of them', () => {
    const userService = { port: 8080, reachesPods: false };
    expect(said({ userService }).slice(0, 2)).to.deep.equal(['True', 'WeightsConfirmed']);
  });

  it('waits for a router that has not accepted the weights, whoever else reaches the pods', () => {
    const routes = cluster.observe().routes.map((route) => {
      return route === null ? null : { ...route, accepted: false, notAccepted: 'not yet' };
    });
    expect(said({ routes }).slice(0, 2)).to.deep.equal(['False', 'WaitingForRouter']);
  });
});
