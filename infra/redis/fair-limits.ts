// Bounds of fair dispatch, for the scripts, the schemas and the command line. With them no counter can grow until adding a
// request to it changes nothing.

/** A tenant's share relative to others. One request charges at most its reservation over the smallest weight. */
export const MIN_WEIGHT = 0.001;
export const MAX_WEIGHT = 1_000;
/** For people, in errors. */
export const WEIGHT_RANGE = `a number from ${MIN_WEIGHT} to ${MAX_WEIGHT}`;

/** When every counter of a model is above this, the smallest one is subtracted from all. In tokens over weight. */
export const REBASE_ABOVE = 2 ** 32;
/**
 * A counter whose magnitude is above this is damaged: it was written under a weight outside of the bounds. Far above
 * REBASE_ABOVE plus the largest charge (some millions of tokens over MIN_WEIGHT), and exact to a hundredth of a token.
 */
export const LARGEST_COUNTER = 2 ** 45;

/** The weight that applies for a stored one, which may be older than the bounds. */
export function boundedWeight(weight: number): number {
  return Number.isNaN(weight) ? 1 : Math.min(MAX_WEIGHT, Math.max(MIN_WEIGHT, weight));
}
