// A parsed request, stored in Redis at `cv:req:<id>` by the gateway and read by workers. Prompts are token ids, so a worker
// needs neither the chat template nor the client's JSON.

import type { AnswerReading } from './answer-reading.ts';
import type { Constraint } from './constraint.ts';

/** Requests log-probabilities of the sampled tokens and of their most likely alternatives. */
export interface LogprobsOptions {
  /** Alternatives per position, 0..20. */
  readonly top: number;
}

/** Sampling parameters. Every field is set: the gateway fills in the defaults. */
export interface SamplingParams {
  /** 0 is greedy. */
  readonly temperature: number;
  readonly topP: number;
  /** 0 disables the filter. */
  readonly topK: number;
  readonly minP: number;
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  /** 1 is neutral. */
  readonly repetitionPenalty: number;
  /** Added to the logits of these token ids: [id, bias] pairs. */
  readonly logitBias: readonly (readonly [number, number])[];
  /**
   * Key of the counter-based random number generator, an unsigned 64-bit integer. A string of decimal digits above 2^53, which a
   * JSON number cannot represent exactly. The gateway draws one if the client sends none.
   */
  readonly seed: number | string;
  readonly logprobs: LogprobsOptions | null;
}

/** Greedy decoding without penalties, bias or log-probabilities. */
export const GREEDY: SamplingParams = {
  temperature: 0,
  topP: 1,
  topK: 0,
  minP: 0,
  frequencyPenalty: 0,
  presencePenalty: 0,
  repetitionPenalty: 1,
  logitBias: [],
  seed: 0,
  logprobs: null,
};

export interface GenerationRequest {
  readonly id: string;
  readonly model: string;
  readonly tenant: string;
  /** Token ids of each prompt, at least one prompt. */
  readonly prompts: readonly (readonly number[])[];
  /** Maximum number of tokens to generate for each choice; 0 only with `echo`. */
  readonly maxTokens: number;
  /** Each choice starts with the text of its prompt, and its log-probabilities if those are requested. */
  readonly echo: boolean;
  /** Number of choices per prompt, >= 1. The choices of prompt p are numbered from `p * choices`. */
  readonly choices: number;
  readonly sampling: SamplingParams;
  /** What each answer must match; null leaves it free. */
  readonly constraint: Constraint | null;
  /** Strings that end a choice; never part of the text. */
  readonly stop: readonly string[];
  /** Token ids that end a choice with finish reason `stop`; never part of the text. */
  readonly stopTokens: readonly number[];
  /** Unix time in ms at which the gateway accepted the request. */
  readonly createdAtMs: number;
  /** Seconds that the request keeps running after its client disconnects; 0 cancels it immediately. */
  readonly resumeSeconds: number;
  /** W3C trace context of the HTTP request; '' if absent. */
  readonly traceparent: string;
  /** Special tokens that are part of the answer's text, by their names: marks around calls and reasoning. */
  readonly shownTokens?: readonly number[];
  /** How gateways read the answer; absent if all of its text is content. Workers ignore it. */
  readonly reading?: AnswerReading;
}

/** The format of version 0.1.0: one prompt, no echo; later ones had no constraint. Requests may wait in Redis across an upgrade. */
interface OlderRequest {
  readonly promptTokens: readonly number[];
}

/** Parses a stored request, written by this version or an older one. */
export function readStoredRequest(json: string): GenerationRequest {
  const { promptTokens, ...rest } = JSON.parse(json) as GenerationRequest & Partial<OlderRequest>;
  const request = { ...rest, constraint: rest.constraint ?? null };
  return promptTokens === undefined ? request : { ...request, prompts: [promptTokens], echo: false };
}

/** The prompt of a choice. */
export function promptOf({ prompts, choices }: GenerationRequest, choice: number): readonly number[] {
  return prompts[Math.floor(choice / choices)] ?? [];
}

/** Number of prompt tokens. Each prompt counts once, regardless of its number of choices. */
export function countPromptTokens({ prompts }: Pick<GenerationRequest, 'prompts'>): number {
  return prompts.reduce((sum, prompt) => sum + prompt.length, 0);
}

/** Number of choices of all prompts together. */
export function countChoices({ prompts, choices }: Pick<GenerationRequest, 'prompts' | 'choices'>): number {
  return prompts.length * choices;
}
