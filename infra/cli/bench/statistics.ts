// Summary statistics of repeated measurements. Pure. test/bench/METHODOLOGY.md defines which one each figure uses.

/** Summary of repeated measurements of one quantity. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/**
 * The value below which `fraction` (0..1) of the sorted values lie, interpolated linearly.
 * Throws RangeError if `values` is empty.
 */
export function percentile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  const place = fraction * (sorted.length - 1);
  const below = sorted[Math.floor(place)];
  const above = sorted[Math.ceil(place)];
  if (below === undefined || above === undefined) throw new RangeError('There are no values to summarise.');
  return below + (above - below) * (place - Math.floor(place));
}

/** The median; of an even number of values, the mean of the middle two. Throws RangeError if `values` is empty. */
export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** Minimum, median and maximum. Throws RangeError if `values` is empty. */
export function spreadOf(values: readonly number[]): Spread {
  return { min: percentile(values, 0), median: median(values), max: percentile(values, 1) };
}
