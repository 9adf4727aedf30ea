// What benches ask for: prompts of random tokens, answered greedily and at full length. Pure.

import type { ModelDescription } from '../../../native/model-description.ts';
import { philox4x32 } from '../../../workers/sampler/philox.ts';
import { DomainError } from '../../errors/domain-error.ts';
import { type GenerationRequest, GREEDY } from '../../messages/generation-request.ts';

export interface BenchPrompt {
  readonly promptTokens: readonly number[];
  /** Tokens of the answer, exactly. */
  readonly tokens: number;
  /** Tokens that would end the answer early and are made impossible. */
  readonly eosTokens: readonly number[];
}

/** What OpenAI's API takes at most; added to a logit it makes the token impossible. */
export const FORBIDDEN = -100;

/** `length` random token ids below `vocab`; another `index` gives others, so that no run finds another's prefix cached. */
export function randomPrompt(vocab: number, length: number, index: number): number[] {
  return Array.from({ length }, (_, position) => philox4x32([position, index, 0, 0], [0, 0])[0] % vocab);
}

/** The prompt as the engine takes it; `id` tells requests apart that run at once. */
export function benchRequest({ promptTokens, tokens, eosTokens }: BenchPrompt, id = 'bench'): GenerationRequest {
  return {
    id,
    model: 'bench',
    tenant: 'bench',
    prompts: [promptTokens],
    maxTokens: tokens,
    echo: false,
    choices: 1,
    sampling: { ...GREEDY, logitBias: eosTokens.map((id) => [id, FORBIDDEN] as const) },
    constraint: null,
    stop: [],
    stopTokens: eosTokens,
    createdAtMs: 0,
    resumeSeconds: 0,
    traceparent: '',
  };
}

/** Throws DomainError `context_length_exceeded` when prompt and answer do not fit the model. */
export function checkFits({ maxContext }: ModelDescription, promptTokens: number, tokens: number): void {
  if (promptTokens + tokens <= maxContext) return;
  const message = `${promptTokens} tokens of prompt and ${tokens} of answer do not fit the model's context of ${maxContext}.`;
  throw new DomainError('context_length_exceeded', message, { param: '--tokens' });
}
