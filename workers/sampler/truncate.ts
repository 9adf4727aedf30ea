// Which tokens may be drawn: top_k, then top_p of what is left, then min_p. Each keeps a prefix of the ranking, at least the
// best token. The ids stand in scratch.ids, their weights exp((l - l_max) / temperature) in scratch.weights.
import type { SamplingParams } from '../../infra/messages/generation-request.ts';
import type { SamplerScratch } from './sampler-scratch.ts';
import { selectPrefix } from './select-prefix.ts';

/** e^-38 is below 2^-54: such a token cannot be told from an impossible one by a number of 53 bits. */
const FAINTEST = -38;

/** Fills the scratch with the tokens that may be drawn and their weights; returns how many. `largest`: the largest logit. */
export function truncate(scratch: SamplerScratch, params: SamplingParams, largest: number): number {
  const { temperature, topK, topP, minP } = params;
  const exponent = (id: number) => ((scratch.logits[id] ?? 0) - largest) / temperature;
  const leastLikely = Math.max(FAINTEST, Math.log(minP));
  const all = collect(scratch, exponent, topP < 1 ? FAINTEST : leastLikely);
  const best = topK > 0 && topK < all ? selectPrefix(scratch, all, () => 1, topK) : all;
  weigh(scratch, best, exponent);
  if (topP >= 1) return best;
  const nucleus = keepTopP(scratch, best, topP);
  return minP > 0 ? keepLikely(scratch, nucleus, exponent, leastLikely) : nucleus;
}

/** Puts every id whose exponent is at least `least` into scratch.ids, ascending. */
function collect({ ids, logits }: SamplerScratch, exponent: (id: number) => number, least: number): number {
  let count = 0;
  for (let id = 0; id < logits.length; id += 1) {
    if (exponent(id) >= least) ids[count++] = id;
  }
  return count;
}

function weigh({ ids, weights }: SamplerScratch, count: number, exponent: (id: number) => number): void {
  for (let at = 0; at < count; at += 1) {
    const id = ids[at] ?? 0;
    weights[id] = Math.exp(exponent(id));
  }
}

function keepTopP(scratch: SamplerScratch, count: number, topP: number): number {
  const weight = (id: number) => scratch.weights[id] ?? 0;
  let total = 0;
  for (let at = 0; at < count; at += 1) total += weight(scratch.ids[at] ?? 0);
  return selectPrefix(scratch, count, weight, topP * total);
}

function keepLikely({ ids }: SamplerScratch, count: number, exponent: (id: number) => number, least: number): number {
  let kept = 0;
  for (let at = 0; at < count; at += 1) {
    const id = ids[at] ?? 0;
    if (exponent(id) >= least) ids[kept++] = id;
  }
  return kept;
}
