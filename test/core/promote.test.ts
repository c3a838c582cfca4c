// A promote that comes before the canary had any traffic: it waits for the first weight, since
// without one there is nothing to judge by, and never would be.
import { expect } from 'chai';
import { breaching, spec } from './canary.ts';
import { FakeCluster } from './fakeCluster.ts';

describe('a promote before the first weight', () => {
  for (const [router, traffic] of [
    ['a router', {}],
    ['pod counts', { traffic: { service: 'web' } }],
  ] as const) {
    it(`is carried out once the canary has it (${router})`, () => {
      const cluster = new FakeCluster({ ...spec, ...traffic });
      cluster.settle();
      cluster.desired = 'b';
      cluster.pass();
      cluster.action = { kind: 'action', action: { verb: 'promote', id: 'early', revision: null } };
      const steps = new Set<number>();
      for (let second = 0; second < 8; second++) {
        cluster.nowMs += 1000;
        if (second > 1) breaching(cluster, 60, 0);
        cluster.settle();
        steps.add(cluster.record('b').stepWeight ?? 0);
      }
      expect(cluster.status?.lastActions?.[0]).to.include({ id: 'early', result: 'Done' });
      expect(cluster.status?.phase).to.equal('Baking');
      expect([...steps].at(-1)).to.equal(100);
    });
  }
});
