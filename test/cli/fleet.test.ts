// What the metrics say of the objects in the caches.
import { expect } from 'chai';
import { countPhases, countStalled } from '../../src/cli/fleet.ts';
import type { Status } from '../../src/api/schema.ts';
import type { ClusterWatch } from '../../src/kube/cluster.ts';

function watchOf(...statuses: readonly (Status | undefined)[]): ClusterWatch {
  const deployments = { list: () => statuses.map((status) => ({ status })) };
  return { stores: { deployments } } as unknown as ClusterWatch;
}

function stalled(status: 'True' | 'False', reason: string): Status {
  const other = { type: 'Ready', status: 'False', reason: 'Other' } as const;
  const rest = { message: '', lastTransitionTime: '2026-01-01T00:00:00Z' };
  const conditions = [
    { ...other, ...rest },
    { type: 'Stalled', status, reason, ...rest },
  ];
  return { phase: 'Progressing', conditions };
}

describe('what is told of the fleet', () => {
  it('counts objects in every phase, those without a status in none', () => {
    const phases = countPhases(watchOf({ phase: 'Stable' }, { phase: 'Stable' }, {}, undefined));
    expect(phases).to.include({ Stable: 2, Progressing: 0, Invalid: 0 });
  });

  it('counts what is stalled, by its reason', () => {
    const missing = stalled('True', 'RouteMissing');
    const fine = stalled('False', 'NotStalled');
    expect(countStalled(watchOf(missing, missing, fine, {}, undefined))).to.deep.equal({
      RouteMissing: 2,
    });
  });
});
