// What a cluster needs once, whoever asks for it first.
import type { Cluster } from './cluster.ts';

/** The first call for a cluster does the work; the others get its result, or its error. */
export function oncePerCluster<T>(
  work: (cluster: Cluster) => Promise<T>,
): (cluster: Cluster) => Promise<T> {
  const begun = new WeakMap<Cluster, Promise<T>>();
  return (cluster) => {
    const known = begun.get(cluster) ?? work(cluster);
    begun.set(cluster, known);
    return known;
  };
}
