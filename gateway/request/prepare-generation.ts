// HTTP request -> a generation ready for the queue. One function per endpoint; both end in the same GenerationRequest.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { GenerationRequest, LogprobsOptions } from '../../infra/messages/generation-request.ts';
import { readTraceparent } from '../../infra/trace/trace-context.ts';
import type { Caller } from '../auth/principal.ts';
import { compileConstraint } from '../constraint/compile-constraint.ts';
import type { GatewayContext } from '../environment.ts';
import type { GatewayParts, ServedModel } from '../parts.ts';
import { findModel } from './admit-generation.ts';
import { buildGenerationRequest, type RequestContext } from './build-generation-request.ts';
import { type ChatCompletionBody, chatCompletionSchema } from './chat-completion-schema.ts';
import { type CompletionBody, completionSchema } from './completion-schema.ts';
import { constrainTools } from './constrain-tools.ts';
import { isFields, OPENAI_FIELDS } from './drop-idle-fields.ts';
import { parseGenerationBody } from './parse-body.ts';
import { jsonBodyOf } from './read-ahead.ts';
import { type Idempotency, readIdempotency, readResumeSeconds } from './read-client-headers.ts';
import { readConversation, readingOf } from './read-conversation.ts';
import { withExactSeed } from './read-exact-seed.ts';
import { readPrompts } from './read-prompts.ts';
import { type GenerationKind, makeRequestId } from './request-id.ts';
import { faultsOf, requestedFormat } from './requested-format.ts';
import type { SharedFields } from './sampling-schema.ts';

/** As OpenAI's API has it; conversations have no such default. */
const DEFAULT_COMPLETION_TOKENS = 16;

/** An answer of content alone. */
const PLAIN_TEXT = { reading: null, shownTokens: [], constraint: null };

export interface PreparedGeneration {
  readonly request: GenerationRequest;
  readonly kind: GenerationKind;
  readonly model: ServedModel;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly idempotency: Idempotency | null;
  /** The client's name for its end user, for the log. */
  readonly endUser: string | null;
}

/** Prepares POST /v1/chat/completions. @throws DomainError for anything wrong with the request. */
export async function prepareChat(parts: GatewayParts, c: GatewayContext, admitted: Caller) {
  const json = await jsonBodyOf(c, parts.config.limits);
  return prepareConversation(parts, c, admitted, {
    kind: 'chat',
    fields: ofDeployment(c, withExactSeed(json)),
    bytes: json.bytes,
  });
}

/** The model that an Azure path names counts, not the body's. */
function ofDeployment(c: GatewayContext, body: unknown): unknown {
  const model = c.req.param('deployment');
  return model === undefined || !isFields(body) ? body : { ...body, model };
}

/** A conversation as the body of a chat completion. */
export interface Conversation {
  readonly kind: GenerationKind;
  readonly fields: unknown;
  /** Those of the body that was received. */
  readonly bytes: Uint8Array;
  /** A limit of tokens beyond the rest of the context means all of it, rather than being refused. */
  readonly fitMaxTokens?: boolean;
}

/** Prepares a conversation. Other APIs translate theirs to one. @throws DomainError for anything wrong with it. */
export async function prepareConversation(
  parts: GatewayParts,
  c: GatewayContext,
  admitted: Caller,
  { kind, fields, bytes, fitMaxTokens = false }: Conversation,
): Promise<PreparedGeneration> {
  const body = parseGenerationBody(chatCompletionSchema, fields, OPENAI_FIELDS, 'chat');
  refuseTooManyMessages(body, parts.config.limits.messages);
  const logprobs = chatLogprobsOptions(body);
  const maxTokens = chatMaxTokens(body);
  const model = await findModel(parts, admitted.policy, body.model);
  const format = requestedFormat(body);
  const { conversation, tools } = readConversation(body, model.traits);
  const { tokens, reasoningOpen } = await model.encodeChat(conversation, admitted.principal.tenant);
  const reading = readingOf(tools, model.traits, reasoningOpen);
  const prompts = [{ field: 'messages', tokens }];
  const constraint = constrainTools(tools, model.traits, reasoningOpen, format, admitted.principal.tenant);
  const shownTokens = reading === null ? [] : model.traits.specialMarks.map(({ id }) => id);
  const answer = { reading, shownTokens, constraint };
  const input = { kind, prompts, maxTokens, fitMaxTokens, logprobs, echo: false, ...answer } as const;
  return finish(parts, c, admitted, { ...input, model, body, bytes });
}

/** Prepares POST /v1/completions. @throws DomainError for anything wrong with the request. */
export async function prepareCompletion(parts: GatewayParts, c: GatewayContext, admitted: Caller) {
  const json = await jsonBodyOf(c, parts.config.limits);
  const body = parseGenerationBody(completionSchema, ofDeployment(c, withExactSeed(json)), OPENAI_FIELDS, 'completion');
  refuseNoTokens(body);
  const model = await findModel(parts, admitted.policy, body.model);
  const prompts = await readPrompts(body, model, admitted.principal.tenant, parts.config.limits.answers);
  const logprobs = body.logprobs === undefined || body.logprobs === null ? null : { top: body.logprobs };
  const maxTokens = tokenLimit('max_tokens', body.max_tokens ?? DEFAULT_COMPLETION_TOKENS);
  const format = requestedFormat(body);
  const constraint = format === null ? null : faultsOf(format.path, () => compileConstraint(format.expression));
  const input = {
    kind: 'text',
    prompts,
    maxTokens,
    fitMaxTokens: false,
    logprobs,
    echo: body.echo ?? false,
    ...PLAIN_TEXT,
    constraint,
  } as const;
  return finish(parts, c, admitted, { ...input, model, body, bytes: json.bytes });
}

type Input = Pick<
  RequestContext,
  'prompts' | 'maxTokens' | 'fitMaxTokens' | 'logprobs' | 'echo' | 'constraint' | 'reading' | 'shownTokens'
> & {
  readonly kind: GenerationKind;
  readonly model: ServedModel;
  readonly body: SharedFields;
  readonly bytes: Uint8Array;
};

function finish(parts: GatewayParts, c: GatewayContext, admitted: Caller, input: Input): PreparedGeneration {
  const { kind, model, body, bytes } = input;
  refuseStreamOptions(body);
  const nowMs = c.get('startedAtMs');
  const request = buildGenerationRequest(body, {
    ...input,
    nowMs,
    id: makeRequestId(kind, nowMs, parts.random),
    tenant: admitted.principal.tenant,
    freshSeed: freshSeed(parts.random),
    resumeSeconds: readResumeSeconds(c.req.header('conclave-resume'), parts.config.stream.resumeSeconds),
    traceparent: readTraceparent(c.req.header('traceparent')),
    limits: parts.config.limits,
  });
  const idempotency = readIdempotency(c.req.header('idempotency-key'), c.req.path, bytes);
  const includeUsage = body.stream_options?.include_usage ?? false;
  return { request, kind, model, stream: body.stream ?? false, includeUsage, idempotency, endUser: body.user ?? null };
}

/** As in OpenAI's API: an answer that does not stream always has its usage. */
function refuseStreamOptions(body: SharedFields): void {
  if (body.stream === true || body.stream_options?.include_usage !== true) return;
  const message = "Invalid 'stream_options': it requires 'stream' to be true.";
  throw new DomainError('invalid_request', message, { param: 'stream_options' });
}

function refuseNoTokens({ max_tokens: maxTokens, echo }: CompletionBody): void {
  if (maxTokens !== 0 || echo === true) return;
  const message = "Invalid 'max_tokens': expected at least 1, or 0 together with 'echo'.";
  throw new DomainError('invalid_request', message, { param: 'max_tokens' });
}

function refuseTooManyMessages(body: ChatCompletionBody, limit: number): void {
  if (body.messages.length <= limit) return;
  const message = `Invalid 'messages': expected at most ${limit} but received ${body.messages.length}.`;
  throw new DomainError('invalid_request', message, { param: 'messages' });
}

function chatLogprobsOptions(body: ChatCompletionBody): LogprobsOptions | null {
  if (body.logprobs === true) return { top: body.top_logprobs ?? 0 };
  if ((body.top_logprobs ?? 0) === 0) return null;
  const message = "Invalid 'top_logprobs': it requires 'logprobs' to be true.";
  throw new DomainError('invalid_request', message, { param: 'top_logprobs' });
}

function chatMaxTokens(body: ChatCompletionBody): RequestContext['maxTokens'] {
  const older = tokenLimit('max_tokens', body.max_tokens);
  const newer = tokenLimit('max_completion_tokens', body.max_completion_tokens);
  if (older === null || newer === null || older.value === newer.value) return newer ?? older;
  const message = "Invalid 'max_tokens': it differs from 'max_completion_tokens'. Send one of them.";
  throw new DomainError('invalid_request', message, { param: 'max_tokens' });
}

function tokenLimit(field: string, value: number | null | undefined): RequestContext['maxTokens'] {
  return value === undefined || value === null ? null : { field, value };
}

/** 48 unpredictable bits: below the 2^53 that a seed may be. */
function freshSeed(random: (size: number) => Uint8Array): number {
  return Buffer.from(random(6)).readUIntBE(0, 6);
}
