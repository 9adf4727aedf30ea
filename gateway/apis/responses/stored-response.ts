// A response as it is stored, and as clients see it. Pure.
import type { DomainError } from '../../../infra/errors/domain-error.ts';
import { publicMessage } from '../../errors/error-to-http.ts';
import type { AnswerFinish, AnswerUsage } from '../../stream/answer-events.ts';
import type { Item } from './response-items.ts';
import type { ResponsesBody } from './responses-schema.ts';

export interface StoredResponse {
  readonly id: string;
  readonly tenant: string;
  readonly createdAtMs: number;
  /** The response that it goes on from. */
  readonly previous: string | null;
  readonly background: boolean;
  /** Whether it is kept. */
  readonly store: boolean;
  /** The request, without its input. */
  readonly request: Omit<ResponsesBody, 'input' | 'stream' | 'background' | 'store' | 'previous_response_id'>;
  /** The items of its own input. */
  readonly input: readonly Item[];
  /** Null until it has ended. */
  readonly ending: ResponseEnding | null;
}

export interface ResponseEnding {
  readonly status: 'completed' | 'incomplete' | 'failed' | 'cancelled';
  readonly output: readonly Item[];
  readonly usage: AnswerUsage | null;
  readonly error: { readonly code: 'server_error'; readonly message: string } | null;
  readonly completedAtMs: number;
}

/** How a whole answer ends. */
export function finishedEnding(finish: AnswerFinish, output: readonly Item[], usage: AnswerUsage, nowMs: number) {
  const status = finish === 'length' ? ('incomplete' as const) : ('completed' as const);
  return { status, output, usage, error: null, completedAtMs: nowMs };
}

/** How an answer that failed or was cancelled ends, with what there is of it. */
export function failedEnding(error: DomainError, output: readonly Item[], nowMs: number): ResponseEnding {
  const cancelled = error.code === 'cancelled';
  return {
    status: cancelled ? 'cancelled' : 'failed',
    output,
    usage: null,
    error: cancelled ? null : { code: 'server_error', message: publicMessage(error) },
    completedAtMs: nowMs,
  };
}

/** OpenAI's object. `status`: while there is no ending. */
export function responseObject(stored: StoredResponse, status: 'queued' | 'in_progress') {
  const { request, ending } = stored;
  return {
    id: stored.id,
    object: 'response',
    created_at: Math.floor(stored.createdAtMs / 1000),
    completed_at: ending?.status === 'completed' ? Math.floor(ending.completedAtMs / 1000) : null,
    status: ending?.status ?? status,
    background: stored.background,
    error: ending?.error ?? null,
    incomplete_details: ending?.status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
    instructions: request.instructions ?? null,
    max_output_tokens: request.max_output_tokens ?? null,
    metadata: request.metadata ?? {},
    model: request.model,
    output: ending?.output ?? [],
    parallel_tool_calls: request.parallel_tool_calls ?? true,
    previous_response_id: stored.previous,
    reasoning: { effort: request.reasoning?.effort ?? null, summary: null },
    store: stored.store,
    temperature: request.temperature ?? 1,
    text: { format: request.text?.format ?? { type: 'text' } },
    tool_choice: request.tool_choice ?? 'auto',
    tools: (request.tools ?? []).map(shownTool),
    top_logprobs: 0,
    top_p: request.top_p ?? 1,
    truncation: 'disabled',
    usage: ending?.usage ? usageObject(ending.usage) : null,
    user: request.user ?? null,
  };
}

function shownTool(tool: NonNullable<ResponsesBody['tools']>[number]): object {
  if (tool.type !== 'function') return tool;
  const { description = null, parameters = null, strict = null } = tool;
  return { type: tool.type, name: tool.name, description, parameters, strict };
}

function usageObject(usage: AnswerUsage) {
  return {
    input_tokens: usage.promptTokens,
    input_tokens_details: { cached_tokens: usage.cachedTokens },
    output_tokens: usage.completionTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
    total_tokens: usage.promptTokens + usage.completionTokens,
  };
}
