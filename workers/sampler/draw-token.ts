// Draws one of the tokens that were kept. In: their ids and weights, a uniform number. Out: an id.
import type { SamplerScratch } from './sampler-scratch.ts';

/** Picks from the first `count` ids in proportion to their weights, walking the ids in order. `random` is in [0, 1). */
export function drawToken({ ids, weights }: SamplerScratch, count: number, random: number): number {
  let total = 0;
  for (let at = 0; at < count; at += 1) total += weights[ids[at] ?? 0] ?? 0;
  const wanted = random * total;
  let reached = 0;
  for (let at = 0; at < count; at += 1) {
    const id = ids[at] ?? 0;
    reached += weights[id] ?? 0;
    if (reached > wanted) return id;
  }
  return ids[count - 1] ?? 0;
}
