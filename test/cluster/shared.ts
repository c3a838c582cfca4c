// Clusters that mocha specs share: one a profile and mocha process, stopped by a root hook. Specs
// that break their cluster start their own with startCluster.
import { after } from 'mocha';
import { startCluster } from './cluster.ts';
import type { Cluster, Profile } from './cluster.ts';

const clusters = new Map<Profile, Promise<Cluster>>();

/**
 * The cluster of a profile, started by the first call. A sandbox holds one node, so `node` gets the
 * cluster of `gateway`, which has a node too.
 */
export function sharedCluster(profile: Profile): Promise<Cluster> {
  const started = profile === 'node' ? 'gateway' : profile;
  const running = clusters.get(started);
  if (running !== undefined) return running;
  const starting = startCluster({ profile: started, log: (line) => console.log(line) });
  clusters.set(started, starting);
  return starting;
}

after(async function stopSharedClusters() {
  this.timeout(60_000);
  const started = [...clusters.values()];
  clusters.clear();
  for (const cluster of await Promise.allSettled(started)) {
    if (cluster.status === 'fulfilled') await cluster.value.stop();
  }
});
