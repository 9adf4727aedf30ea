// A checked body and its tokens -> the frozen GenerationRequest that workers run. Pure: time, id and seed are arguments.
// All defaults and the seed are fixed here, so that any worker that continues the request draws the same tokens.
import type { Limits } from '../../infra/config/config-schema.ts';
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { AnswerReading } from '../../infra/messages/answer-reading.ts';
import type { Constraint } from '../../infra/messages/constraint.ts';
import type { GenerationRequest, LogprobsOptions, SamplingParams } from '../../infra/messages/generation-request.ts';
import type { SharedFields } from './sampling-schema.ts';

/** A prompt's tokens, and the field that it came from, for error messages. */
export interface EncodedPrompt {
  readonly field: string;
  readonly tokens: readonly number[];
}

/** Inputs in addition to the body's shared fields. */
export interface RequestContext {
  readonly id: string;
  readonly tenant: string;
  readonly nowMs: number;
  /** Used when the client gives none: an integer of 0..2^53-1. */
  readonly freshSeed: number;
  readonly resumeSeconds: number;
  readonly traceparent: string;
  readonly limits: Limits;
  readonly model: { readonly maxContext: number; readonly vocab: number; readonly eosTokenIds: readonly number[] };
  readonly prompts: readonly EncodedPrompt[];
  readonly maxTokens: { readonly field: string; readonly value: number } | null;
  /** Lowers `maxTokens` to what is possible instead of refusing it. */
  readonly fitMaxTokens: boolean;
  readonly logprobs: LogprobsOptions | null;
  readonly echo: boolean;
  readonly constraint: Constraint | null;
  readonly reading: AnswerReading | null;
  readonly shownTokens: readonly number[];
}

/**
 * Builds the request.
 * @throws DomainError `context_length_exceeded` when prompt and answer cannot fit the model, `invalid_request` otherwise.
 */
export function buildGenerationRequest(body: SharedFields, context: RequestContext): GenerationRequest {
  const { model, limits } = context;
  if ((body.n ?? 1) > limits.choices) {
    throw new DomainError('invalid_request', `Invalid 'n': expected at most ${limits.choices}.`, { param: 'n' });
  }
  const request: GenerationRequest = {
    id: context.id,
    model: body.model,
    tenant: context.tenant,
    prompts: context.prompts.map(({ tokens }) => tokens),
    maxTokens: fitMaxTokens(context),
    echo: context.echo,
    choices: body.n ?? 1,
    sampling: Object.freeze(samplingParams(body, model.vocab, context)),
    constraint: context.constraint,
    ...(context.shownTokens.length > 0 && { shownTokens: context.shownTokens }),
    ...(context.reading !== null && { reading: context.reading }),
    stop: stopStrings(body, limits.stopStrings),
    stopTokens: body.ignore_eos === true ? [] : model.eosTokenIds,
    createdAtMs: context.nowMs,
    resumeSeconds: context.resumeSeconds,
    traceparent: context.traceparent,
  };
  return Object.freeze(request);
}

function stopStrings({ stop }: SharedFields, limit: number): readonly string[] {
  const strings = typeof stop === 'string' ? [stop] : (stop ?? []);
  if (strings.length <= limit) return strings;
  const message = `Invalid 'stop': expected at most ${limit} strings but received ${strings.length}.`;
  throw new DomainError('invalid_request', message, { param: 'stop' });
}

/** The requested maximum if it fits; by default the rest of the context. */
function fitMaxTokens(context: RequestContext): number {
  const { maxContext } = context.model;
  const { field: promptField, tokens: longest } = longestOf(context.prompts);
  const promptCount = longest.length;
  const left = maxContext - promptCount;
  if (left < 1) {
    throw tooLong(
      context,
      `Your ${promptField} resulted in ${promptCount} tokens: the prompt is too long.`,
      promptField,
    );
  }
  if (context.maxTokens === null) return Math.min(left, context.limits.maxTokens);
  const { field, value } = context.maxTokens;
  if (context.fitMaxTokens) return Math.min(value, left, context.limits.maxTokens);
  if (value > left) {
    const asked = `you requested ${promptCount + value} tokens (${promptCount} in the ${promptField}, ${value} in the completion)`;
    throw tooLong(context, `However, ${asked}.`, field);
  }
  if (value > context.limits.maxTokens) {
    throw new DomainError('invalid_request', `Invalid '${field}': expected at most ${context.limits.maxTokens}.`, {
      param: field,
    });
  }
  return value;
}

function longestOf(prompts: readonly EncodedPrompt[]): EncodedPrompt {
  return prompts.reduce((longest, each) => (each.tokens.length > longest.tokens.length ? each : longest));
}

function tooLong(context: RequestContext, detail: string, param: string): DomainError {
  const limit = `This model's maximum context length is ${context.model.maxContext} tokens.`;
  return new DomainError('context_length_exceeded', `${limit} ${detail}`, { param });
}

function samplingParams(body: SharedFields, vocab: number, context: RequestContext): SamplingParams {
  return {
    temperature: body.temperature ?? 1,
    topP: body.top_p ?? 1,
    topK: body.top_k ?? 0,
    minP: body.min_p ?? 0,
    frequencyPenalty: body.frequency_penalty ?? 0,
    presencePenalty: body.presence_penalty ?? 0,
    repetitionPenalty: body.repetition_penalty ?? 1,
    logitBias: logitBias(body.logit_bias ?? {}, vocab),
    seed: body.seed === undefined || body.seed === null ? context.freshSeed : unsignedSeed(body.seed),
    logprobs: context.logprobs,
  };
}

/** The seed's 64 bits as an unsigned integer, in digits where a JSON number would lose some. */
function unsignedSeed(seed: number | bigint): number | string {
  if (typeof seed === 'number' && seed >= 0) return seed;
  return BigInt.asUintN(64, BigInt(seed)).toString();
}

type Biases = Readonly<Record<string, number | null>>;

function logitBias(biases: Biases, vocab: number): (readonly [number, number])[] {
  return Object.entries(biases).flatMap(([token, bias]) => {
    if (bias === null) return [];
    const param = `logit_bias.${token}`;
    if (Number(token) < vocab) return [[Number(token), bias] as const];
    throw new DomainError(
      'invalid_request',
      `Invalid '${param}': expected a token id below ${vocab}, the size of the model's vocabulary.`,
      { param },
    );
  });
}
