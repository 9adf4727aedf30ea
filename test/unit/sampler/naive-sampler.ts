// What sampling means, written the obvious way: sort everything, then cut. The fast path is tested against it.
import { GREEDY, type SamplingParams } from '../../../infra/messages/generation-request.ts';
import { relativeWeight } from '../../../workers/sampler/relative-weight.ts';
import type { TokenCounts } from '../../../workers/sampler/token-counts.ts';

export const DEFAULTS: SamplingParams = { ...GREEDY, temperature: 1, seed: 1 };

interface Candidate {
  readonly id: number;
  readonly exponent: number;
  readonly weight: number;
}

/** Logits after penalties and bias, rounded to f32 after each step as the buffers are. */
export function naiveAdjust(logits: Float32Array, params: SamplingParams, counts: TokenCounts): Float32Array {
  return Float32Array.from(logits, (logit, id) => {
    const count = counts.generated.get(id) ?? 0;
    const seen = count > 0 || counts.prompt.has(id);
    const repetition = logit > 0 ? logit / params.repetitionPenalty : logit * params.repetitionPenalty;
    const repeated = Math.fround(seen ? repetition : logit);
    const penalty = count > 0 ? count * params.frequencyPenalty : 0;
    const penalized = Math.fround(repeated - penalty - (count > 0 ? params.presencePenalty : 0));
    return params.logitBias
      .filter(([biased]) => biased === id)
      .reduce((sum, [, bias]) => Math.fround(sum + bias), penalized);
  });
}

/** Ids that may be drawn, best first. */
export function naiveCandidates(logits: Float32Array, params: SamplingParams): Candidate[] {
  const largest = Math.max(...logits);
  const ranked = Array.from(logits, (logit, id): Candidate => {
    const exponent = (logit - largest) / params.temperature;
    return { id, exponent, weight: relativeWeight(exponent) };
  })
    .filter((candidate) => candidate.exponent >= -38)
    .sort((a, b) => (logits[b.id] ?? 0) - (logits[a.id] ?? 0) || a.id - b.id);
  const best = params.topK > 0 ? ranked.slice(0, params.topK) : ranked;
  return keepTopP(best, params.topP).filter((candidate) => candidate.exponent >= Math.log(params.minP));
}

function keepTopP(ranked: readonly Candidate[], topP: number): readonly Candidate[] {
  if (topP >= 1) return ranked;
  const budget = topP * ranked.reduce((sum, candidate) => sum + candidate.weight, 0);
  let reached = 0;
  const last = ranked.findIndex((candidate) => {
    reached += candidate.weight;
    return reached >= budget;
  });
  return last < 0 ? ranked : ranked.slice(0, last + 1);
}

/** The token for a uniform number. */
export function naiveDraw(logits: Float32Array, params: SamplingParams, random: number): number {
  const kept = naiveCandidates(logits, params).sort((a, b) => a.id - b.id);
  const total = kept.reduce((sum, candidate) => sum + candidate.weight, 0);
  let reached = 0;
  const drawn = kept.find((candidate) => {
    reached += candidate.weight;
    return reached > random * total;
  });
  return drawn?.id ?? kept.at(-1)?.id ?? -1;
}
