// A request after the gateway has parsed it: what is stored in Redis at `cv:req:<id>` and read by workers. Prompts are
// already token ids, so a worker needs neither chat template nor the client's JSON.

/** Chance of a token and its alternatives are reported when asked for. */
export interface LogprobsOptions {
  /** Alternatives per position, 0..20. */
  readonly top: number;
}

/** How the next token is drawn; every field has a value, defaults are the gateway's business. */
export interface SamplingParams {
  /** 0 is greedy. */
  readonly temperature: number;
  readonly topP: number;
  /** 0 keeps the whole vocabulary. */
  readonly topK: number;
  readonly minP: number;
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  /** 1 changes nothing. */
  readonly repetitionPenalty: number;
  /** Added to the logits of these token ids: [id, bias] pairs. */
  readonly logitBias: readonly (readonly [number, number])[];
  /**
   * Key of the counter-based random numbers, an unsigned integer of 64 bits; decimal digits where it is above 2^53, which a JSON
   * number does not hold exactly. The gateway chooses one when the client gives none.
   */
  readonly seed: number | string;
  readonly logprobs: LogprobsOptions | null;
}

/** Takes the most likely token, and changes nothing else. */
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
  /** Tokens to generate at most, for each choice; 0 only with `echo`. */
  readonly maxTokens: number;
  /** Each choice begins with its prompt: its text, and its tokens' log-probabilities where those are asked for. */
  readonly echo: boolean;
  /** Number of choices for each prompt, >= 1. Those of prompt p are numbered from `p * choices`. */
  readonly choices: number;
  readonly sampling: SamplingParams;
  /** Strings that end a choice; never part of the text. */
  readonly stop: readonly string[];
  /** Token ids that end a choice with finish reason `stop`; never part of the text. */
  readonly stopTokens: readonly number[];
  /** Unix time in ms at which the gateway accepted the request. */
  readonly createdAtMs: number;
  /** Seconds the stream outlives a client that leaves; 0 cancels at once. */
  readonly resumeSeconds: number;
  /** W3C trace context of the incoming request, '' when there is none. */
  readonly traceparent: string;
}

/** What version 0.1.0 stored: one prompt, and no echo. Requests wait in Redis while a system is upgraded. */
interface OlderRequest {
  readonly promptTokens: readonly number[];
}

/** A request as it is stored in Redis, by this version or an older one. */
export function readStoredRequest(json: string): GenerationRequest {
  const { promptTokens, ...request } = JSON.parse(json) as GenerationRequest & Partial<OlderRequest>;
  return promptTokens === undefined ? request : { ...request, prompts: [promptTokens], echo: false };
}

/** The prompt that a choice answers. */
export function promptOf({ prompts, choices }: GenerationRequest, choice: number): readonly number[] {
  return prompts[Math.floor(choice / choices)] ?? [];
}

/** Tokens of all prompts; those of one count once, however many choices answer it. */
export function countPromptTokens({ prompts }: Pick<GenerationRequest, 'prompts'>): number {
  return prompts.reduce((sum, prompt) => sum + prompt.length, 0);
}

/** Number of choices to all prompts. */
export function countChoices({ prompts, choices }: Pick<GenerationRequest, 'prompts' | 'choices'>): number {
  return prompts.length * choices;
}
