// The arithmetic of one pair's weights: whole numbers that carry a percentage, exactly or on the
// safe side of it. It knows no routes.

/** The weights of two backends of one rule. */
export interface PairWeights {
  /** 0 to 1,000,000, as all weights of the Gateway API. */
  readonly stable: number;
  readonly canary: number;
}

/** A pair as it stands. */
export interface Pair extends PairWeights {
  /** The rule has other backends, whose share must not change: the pair's sum has to stay. */
  readonly shared: boolean;
}

/** The largest weight that the Gateway API takes. */
const MAX_WEIGHT = 1_000_000;
/** The sum of a pair that can carry every whole percentage. */
const PERCENT_SUM = 100;

/**
 * Weights that give the canary `percent` (0 to 100, whole) of the pair, the fraction cut: exactly
 * what core reads as that percentage where the pair can be split, and never more.
 */
export function raisedTo(pair: Pair, percent: number): PairWeights {
  const whole = wholeOf(pair, percent);
  const canary = Math.floor((whole * percent) / 100);
  return { stable: whole - canary, canary };
}

/** The same for a canary that has more than that; one that has not keeps its weights. */
export function loweredTo(pair: Pair, percent: number): PairWeights {
  const { stable, canary } = pair;
  return 100 * canary <= percent * (stable + canary) ? { stable, canary } : raisedTo(pair, percent);
}

/** What the two weights shall add up to: their sum, unless it can't be kept or says too little. */
function wholeOf({ stable, canary, shared }: Pair, percent: number): number {
  const sum = Math.min(stable + canary, MAX_WEIGHT);
  if (shared || sum >= PERCENT_SUM) return sum;
  const exact = sum > 0 && (sum * percent) % 100 === 0;
  return exact ? sum : PERCENT_SUM;
}

/** Whether the pair's sum can carry every whole percentage, or may be made one that can. */
export function canBeSplit({ stable, canary, shared }: Pair): boolean {
  return !shared || stable + canary >= PERCENT_SUM;
}
