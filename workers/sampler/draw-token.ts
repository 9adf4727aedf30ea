// Draws one of the tokens that were kept. In: their ids and weights, a uniform number. Out: an id.
import type { SamplerScratch } from './sampler-scratch.ts';

/**
 * Picks from the first `count` ids in proportion to their weights. Ids are walked in ascending order, so the result depends on
 * which tokens were kept and not on how they were found. `random` is in [0, 1).
 */
export function drawToken({ ids, weights }: SamplerScratch, count: number, random: number): number {
  const kept = ids.subarray(0, count);
  if (!isAscending(kept)) kept.sort();
  let total = 0;
  for (let at = 0; at < count; at += 1) total += weights[kept[at] ?? 0] ?? 0;
  let reached = 0;
  for (let at = 0; at < count; at += 1) {
    reached += weights[kept[at] ?? 0] ?? 0;
    if (reached > random * total) return kept[at] ?? 0;
  }
  return kept[count - 1] ?? 0;
}

function isAscending(ids: Uint32Array): boolean {
  for (let at = 1; at < ids.length; at += 1) {
    if ((ids[at] ?? 0) < (ids[at - 1] ?? 0)) return false;
  }
  return true;
}
