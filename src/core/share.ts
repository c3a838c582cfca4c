// How much traffic stable can take back at once when it is short of pods.

/**
 * Stable's share in percent (design.md, "Share"): all of it when at least half of the needed pods
 * are available, or when the canary has none; below half as much as the pods carry, but never less
 * than stable has now. With no stable pod available the share stays.
 */
export function stableShare(stable: {
  readonly available: number;
  readonly needed: number;
  readonly current: number;
  readonly canaryAvailable: number;
}): number {
  const { available, needed, current, canaryAvailable } = stable;
  if (available === 0) return current;
  if (canaryAvailable === 0 || 2 * available >= needed) return 100;
  return Math.max(current, Math.floor((100 * available) / needed));
}
