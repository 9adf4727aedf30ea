// Presentation of a generation to its client: as chunks, as one JSON answer, or as a resumed stream.
import type { Usage } from '../../infra/messages/token-event.ts';

export interface AnswerView {
  readonly id: string;
  /** OpenAI's chunks and objects for it. */
  readonly kind: 'chat' | 'text';
  /** Unix time in seconds. */
  readonly created: number;
  readonly model: string;
  /** The bytes of a token, for log-probabilities. */
  readonly tokenBytes: (id: number) => Uint8Array;
}

/** OpenAI's usage object. */
export function usageObject(usage: Usage) {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedTokens },
  };
}
