// Logits -> the next token of one choice. A function of its arguments alone: no clock, no generator state. The number it
// draws depends on (seed, choice, position, purpose), and JavaScript engines of one version compute the same exp and log on
// every machine, so a worker that takes over continues with the same tokens.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { SamplingParams } from '../../infra/messages/generation-request.ts';
import type { TokenLogprob } from '../../infra/messages/token-event.ts';
import { adjustLogits, adjustsLogits } from './adjust-logits.ts';
import { chooseGreedy, requireFinite } from './choose-greedy.ts';
import { drawToken } from './draw-token.ts';
import type { SamplerScratch } from './sampler-scratch.ts';
import { type SamplingKey, uniform } from './sampling-key.ts';
import type { TokenCounts } from './token-counts.ts';
import { tokenLogprob } from './token-logprobs.ts';
import { truncate } from './truncate.ts';

/** The chosen token; `logprob` when the request asks for it. */
export interface SampledToken {
  readonly id: number;
  readonly logprob: TokenLogprob | null;
}

/**
 * Chooses the next token. `logits`: `[vocab]` f32, left as they are; `counts`: the tokens before; `scratch`: of the same vocab,
 * overwritten. Throws DomainError `generation_failed` when logits are not finite or the bias leaves no token.
 */
export function sampleToken(
  logits: Float32Array,
  params: SamplingParams,
  counts: TokenCounts,
  key: SamplingKey,
  scratch: SamplerScratch,
): SampledToken {
  requireFinite(logits);
  const adjusted = adjustsLogits(params) ? adjustInScratch(logits, params, counts, scratch) : logits;
  const id = chooseToken(adjusted, params, key, scratch);
  return { id, logprob: params.logprobs === null ? null : tokenLogprob(logits, id, params.logprobs.top) };
}

function adjustInScratch(
  logits: Float32Array,
  params: SamplingParams,
  counts: TokenCounts,
  scratch: SamplerScratch,
): Float32Array {
  scratch.logits.set(logits);
  adjustLogits(scratch.logits, params, counts);
  return scratch.logits;
}

function chooseToken(logits: Float32Array, params: SamplingParams, key: SamplingKey, scratch: SamplerScratch): number {
  const best = chooseGreedy(logits);
  const largest = logits[best] ?? Number.NaN;
  if (!Number.isFinite(largest)) {
    throw new DomainError('generation_failed', 'Penalties and logit_bias leave no token to choose');
  }
  if (params.temperature === 0) return best;
  return drawToken(scratch, truncate({ ...scratch, logits }, params, largest), uniform(key));
}
