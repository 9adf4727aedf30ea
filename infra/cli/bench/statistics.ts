// Numbers of repeated runs -> what is reported of them. Pure. test/bench/METHODOLOGY.md says which is used where.

/** Repeated measurements of one thing. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/**
 * The value below which `fraction` (0..1) of the sorted values lie, interpolated between neighbours.
 * Throws RangeError when there are no values.
 */
export function percentile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  const place = fraction * (sorted.length - 1);
  const below = sorted[Math.floor(place)];
  const above = sorted[Math.ceil(place)];
  if (below === undefined || above === undefined) throw new RangeError('There are no values to summarise.');
  return below + (above - below) * (place - Math.floor(place));
}

/** The middle value, or the mean of the two in the middle. Throws RangeError when there are none. */
export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** Median with the extremes. Throws RangeError when there are no values. */
export function spreadOf(values: readonly number[]): Spread {
  return { min: percentile(values, 0), median: median(values), max: percentile(values, 1) };
}
