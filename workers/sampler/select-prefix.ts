// Finds where a ranking reaches an amount, without sorting it: quickselect with weights. Ranking: larger logit first, then
// lower id, so no two tokens are equal and the result does not depend on how the search goes.

/** What ranks tokens. `logits` is `[vocab]`, by id. */
export interface Ranking {
  readonly ids: Uint32Array;
  readonly logits: Float32Array;
}

/**
 * Reorders the first `count` ids so that the shortest prefix of the ranking whose amounts add up to `budget` stands in front,
 * and returns its length, at least 1. `amount(id)` >= 0; when all together are less than `budget` the prefix is everything.
 */
export function selectPrefix(ranking: Ranking, count: number, amount: (id: number) => number, budget: number): number {
  let [from, to, missing] = [0, count, budget];
  while (from < to) {
    const pivot = partition(ranking, from, to);
    const before = sum(ranking.ids, from, pivot, amount);
    const own = amount(ranking.ids[pivot] ?? 0);
    if (before >= missing && pivot > from) {
      to = pivot;
    } else if (before + own >= missing) {
      return pivot + 1;
    } else {
      missing -= before + own;
      from = pivot + 1;
    }
  }
  return Math.max(1, from);
}

function sum(ids: Uint32Array, from: number, to: number, amount: (id: number) => number): number {
  let total = 0;
  for (let at = from; at < to; at += 1) total += amount(ids[at] ?? 0);
  return total;
}

/** Moves one id of [from, to) to its place: better ids before it, worse after. Returns the place. */
function partition(ranking: Ranking, from: number, to: number): number {
  const { ids } = ranking;
  swap(ids, medianOfThree(ranking, from, to), to - 1);
  const pivot = ids[to - 1] ?? 0;
  let place = from;
  for (let at = from; at < to - 1; at += 1) {
    if (!ranksBefore(ranking.logits, ids[at] ?? 0, pivot)) continue;
    swap(ids, at, place);
    place += 1;
  }
  swap(ids, place, to - 1);
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

function swap(ids: Uint32Array, a: number, b: number): void {
  const kept = ids[a] ?? 0;
  ids[a] = ids[b] ?? 0;
  ids[b] = kept;
}
