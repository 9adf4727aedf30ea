// Presentation of a generation to its client: as chunks, as one JSON answer, or as a resumed stream.
import type { AnswerReading } from '../../infra/messages/answer-reading.ts';
import type { AnswerUsage } from './answer-events.ts';

export interface AnswerView {
  readonly id: string;
  /** OpenAI's chunks and objects for it. */
  readonly kind: 'chat' | 'text';
  /** Unix time in seconds. */
  readonly created: number;
  readonly model: string;
  /** Of the model, as `system_fingerprint`. */
  readonly fingerprint: string | null;
  /** How the text of a chat is read; null if all of it is content. */
  readonly reading: AnswerReading | null;
  /** The bytes of a token, for log-probabilities. */
  readonly tokenBytes: (id: number) => Uint8Array;
}

/** OpenAI's usage object. */
export function usageObject(usage: AnswerUsage) {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedTokens },
    completion_tokens_details: { reasoning_tokens: usage.reasoningTokens },
  };
}
