// Finds where a ranking reaches an amount, without sorting it: a histogram over the logits finds the narrow range in which that
// happens, quickselect the place within. Ranking: larger logit first, then lower id, so no two tokens are equal and the result
// does not depend on how the search goes. Loops over the vocabulary call no functions: a call per token costs more than the rest.

/** What ranks tokens and what is added up. */
export interface Ranking {
  /** Reordered by the search. */
  readonly ids: Uint32Array;
  /** `[vocab]`, by id. */
  readonly logits: Float32Array;
  /** `[vocab]`, by id, >= 0; null counts every token as 1. */
  readonly amounts: Float64Array | null;
}

const BUCKETS = 256;

/**
 * The last token of the shortest prefix of the ranking whose amounts add up to `budget`; the worst one when all are not enough.
 * Ranks the first `count` ids, at least one.
 */
export function selectCutoff(ranking: Ranking, count: number, budget: number): number {
  const buckets = bucketsOf(ranking, count);
  const { bucket, before } = findBucket(ranking, count, buckets, budget);
  return quickselect(ranking, moveBucketForward(ranking, count, buckets, bucket), budget - before);
}

/** A token with logit l is in bucket floor((most - l) * scale), from 0 for the largest to `last` for the least. */
interface Buckets {
  readonly most: number;
  readonly scale: number;
  readonly last: number;
}

function bucketsOf({ ids, logits }: Ranking, count: number): Buckets {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let at = 0; at < count; at += 1) {
    const logit = logits[ids[at] ?? 0] ?? 0;
    if (logit < least) least = logit;
    if (logit > most) most = logit;
  }
  const scale = most > least ? (BUCKETS - 1) / (most - least) : 0;
  return { most, scale, last: Math.floor((most - least) * scale) };
}

/** The first bucket with which the budget is reached, or the last, and the amount before it. */
function findBucket(
  { ids, logits, amounts }: Ranking,
  count: number,
  { most, scale, last }: Buckets,
  budget: number,
): { readonly bucket: number; readonly before: number } {
  const histogram = new Float64Array(BUCKETS);
  for (let at = 0; at < count; at += 1) {
    const id = ids[at] ?? 0;
    const bucket = Math.floor((most - (logits[id] ?? 0)) * scale);
    histogram[bucket] = (histogram[bucket] ?? 0) + (amounts === null ? 1 : (amounts[id] ?? 0));
  }
  let before = 0;
  for (let bucket = 0; bucket < last; bucket += 1) {
    const reached = before + (histogram[bucket] ?? 0);
    if (reached >= budget) return { bucket, before };
    before = reached;
  }
  return { bucket: last, before };
}

/** Moves the ids of one bucket to the front; returns how many there are. */
function moveBucketForward({ ids, logits }: Ranking, count: number, { most, scale }: Buckets, bucket: number): number {
  let place = 0;
  for (let at = 0; at < count; at += 1) {
    const id = ids[at] ?? 0;
    if (Math.floor((most - (logits[id] ?? 0)) * scale) !== bucket) continue;
    ids[at] = ids[place] ?? 0;
    ids[place] = id;
    place += 1;
  }
  return place;
}

/** The token among the first `count` ids with which their ranked amounts reach `missing`, or the worst of them. */
function quickselect(ranking: Ranking, count: number, missing: number): number {
  let [low, high, open] = [0, count, missing];
  let cutoff = ranking.ids[0] ?? 0;
  while (low < high) {
    const pivot = partition(ranking, low, high);
    const before = sumAmounts(ranking, low, pivot);
    if (before >= open && pivot > low) {
      high = pivot;
      continue;
    }
    cutoff = ranking.ids[pivot] ?? 0;
    open -= before + sumAmounts(ranking, pivot, pivot + 1);
    if (open <= 0) return cutoff;
    low = pivot + 1;
  }
  return cutoff;
}

/** Sum of the amounts of the ids at [from, to). */
export function sumAmounts({ ids, amounts }: Ranking, from: number, to: number): number {
  if (amounts === null) return to - from;
  let total = 0;
  for (let at = from; at < to; at += 1) total += amounts[ids[at] ?? 0] ?? 0;
  return total;
}

/** Moves one id of [from, to) to its place: better ids before it, worse after. Returns the place. */
function partition(ranking: Ranking, from: number, to: number): number {
  const { ids, logits } = ranking;
  const middle = medianOfThree(ranking, from, to);
  const pivot = ids[middle] ?? 0;
  const bound = logits[pivot] ?? 0;
  ids[middle] = ids[to - 1] ?? 0;
  let place = from;
  for (let at = from; at < to - 1; at += 1) {
    const id = ids[at] ?? 0;
    const logit = logits[id] ?? 0;
    if (logit < bound || (logit === bound && id > pivot)) continue;
    ids[at] = ids[place] ?? 0;
    ids[place] = id;
    place += 1;
  }
  ids[to - 1] = ids[place] ?? 0;
  ids[place] = pivot;
  return place;
}

function medianOfThree({ ids, logits }: Ranking, from: number, to: number): number {
  const before = (a: number, b: number) => ranksBefore(logits, ids[a] ?? 0, ids[b] ?? 0);
  const [first, middle, last] = [from, (from + to) >>> 1, to - 1];
  if (before(first, middle)) {
    if (before(middle, last)) return middle;
    return before(first, last) ? last : first;
  }
  if (before(first, last)) return first;
  return before(middle, last) ? last : middle;
}

function ranksBefore(logits: Float32Array, a: number, b: number): boolean {
  const [x, y] = [logits[a] ?? 0, logits[b] ?? 0];
  return x > y || (x === y && a < b);
}
