// Which tokens may be drawn: top_k, then top_p of what is left, then min_p. Each keeps a prefix of the ranking, at least the
// best token. The ids stand in scratch.ids, ascending, their weights e^((l - l_max) / temperature) in scratch.weights.
import type { SamplingParams } from '../../infra/messages/generation-request.ts';
import { MIN_LOG_WEIGHT, relativeWeight } from './relative-weight.ts';
import type { SamplerScratch } from './sampler-scratch.ts';
import { selectCutoff, sumAmounts } from './select-cutoff.ts';

/** How logits become exponents: (logit - largest) / temperature, at most 0. */
interface Scale {
  readonly largest: number;
  readonly temperature: number;
}

/** Fills the scratch with the tokens that may be drawn and their weights; returns how many. `largest`: the largest logit. */
export function truncate(scratch: SamplerScratch, params: SamplingParams, largest: number): number {
  const { temperature, topK, topP, minP } = params;
  const scale = { largest, temperature };
  const likely = Math.max(MIN_LOG_WEIGHT, Math.log(minP));
  const all = collect(scratch, scale, topP < 1 ? MIN_LOG_WEIGHT : likely);
  const best =
    topK > 0 && topK < all ? keepDownTo(scratch, selectCutoff({ ...scratch, amounts: null }, all, topK)) : all;
  weigh(scratch, best, scale);
  if (topP >= 1) return best;
  const ranking = { ...scratch, amounts: scratch.weights };
  const nucleus = keepDownTo(scratch, selectCutoff(ranking, best, topP * sumAmounts(ranking, 0, best)));
  return minP > 0 ? keepLikely(scratch, nucleus, scale, likely) : nucleus;
}

/** Puts every id whose exponent is at least `least` into scratch.ids, ascending; returns how many. */
function collect({ ids, logits }: SamplerScratch, { largest, temperature }: Scale, least: number): number {
  let count = 0;
  for (let id = 0; id < logits.length; id += 1) {
    if (((logits[id] ?? 0) - largest) / temperature >= least) ids[count++] = id;
  }
  return count;
}

/** Puts `cutoff` and every id that ranks before it into scratch.ids, ascending; returns how many. */
function keepDownTo({ ids, logits }: SamplerScratch, cutoff: number): number {
  const bound = logits[cutoff] ?? 0;
  let count = 0;
  for (let id = 0; id < logits.length; id += 1) {
    const logit = logits[id] ?? 0;
    if (logit > bound || (logit === bound && id <= cutoff)) ids[count++] = id;
  }
  return count;
}

function weigh({ ids, logits, weights }: SamplerScratch, count: number, { largest, temperature }: Scale): void {
  for (let at = 0; at < count; at += 1) {
    const id = ids[at] ?? 0;
    weights[id] = relativeWeight(((logits[id] ?? 0) - largest) / temperature);
  }
}

/** Of the first `count` ids keeps those whose exponent is at least `least`. */
function keepLikely({ ids, logits }: SamplerScratch, count: number, scale: Scale, least: number): number {
  let kept = 0;
  for (let at = 0; at < count; at += 1) {
    const id = ids[at] ?? 0;
    if (((logits[id] ?? 0) - scale.largest) / scale.temperature >= least) ids[kept++] = id;
  }
  return kept;
}
