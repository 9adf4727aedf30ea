// Blocks of an answer -> Anthropic's message, whole or as events of a stream.
import type { DomainError } from '../../../infra/errors/domain-error.ts';
import { countPromptTokens } from '../../../infra/messages/generation-request.ts';
import { messagesErrorBody } from '../../errors/messages-error.ts';
import type { PreparedGeneration } from '../../request/prepare-generation.ts';
import type { AnswerUsage } from '../../stream/answer-events.ts';
import type { AnswerView } from '../../stream/answer-view.ts';
import type { StreamFormat } from '../../stream/stream-format.ts';
import {
  type AnswerBlock,
  type AnswerEnding,
  type BlockEvent,
  collectBlocks,
  createAnswerBlocks,
} from '../answer-blocks.ts';
import type { Wording } from '../generations.ts';

export interface PreparedMessage extends PreparedGeneration {
  /** What the client asked for; the request may have less. */
  readonly maxTokens: number;
  /** Of the HTTP request, for errors in mid-stream. */
  readonly httpRequestId: string;
}

export const MESSAGES_WORDING: Wording<PreparedMessage> = {
  whole: async (entries, view, prepared) => {
    const answer = await collectBlocks(entries, view);
    const content = answer.blocks.map(contentBlock);
    return { ...messageHead(view), content, ...stop(answer, prepared), usage: usageObject(answer.usage) };
  },
  stream: messageFormat,
};

function messageHead({ id, model }: AnswerView) {
  return { id, type: 'message', role: 'assistant', model };
}

function contentBlock(block: AnswerBlock): object {
  if (block.type === 'text') return { type: 'text', text: block.text, citations: null };
  if (block.type === 'reasoning') return { type: 'thinking', thinking: block.text, signature: SIGNATURE };
  return { type: 'tool_use', id: block.id, name: block.name, input: parseInput(block.text) };
}

/** Clients send thinking back only with a signature. Nothing here depends on it. */
const SIGNATURE = 'unsigned';

/** An answer that was cut may have left no whole object. */
function parseInput(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

function stop({ finish, stopString }: AnswerEnding, { maxTokens, request }: PreparedMessage) {
  return { stop_reason: stopReason(finish, stopString, request.maxTokens < maxTokens), stop_sequence: stopString };
}

function stopReason(finish: AnswerEnding['finish'], stopString: string | null, contextWasFull: boolean): string {
  if (finish === 'tool_calls') return 'tool_use';
  if (finish === 'length') return contextWasFull ? 'model_context_window_exceeded' : 'max_tokens';
  return stopString === null ? 'end_turn' : 'stop_sequence';
}

/** Cached tokens are not part of `input_tokens`. */
function usageObject({ promptTokens, cachedTokens, completionTokens }: Omit<AnswerUsage, 'reasoningTokens'>) {
  return {
    input_tokens: promptTokens - cachedTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cachedTokens,
    output_tokens: completionTokens,
  };
}

function messageFormat(view: AnswerView, prepared: PreparedMessage): StreamFormat {
  const read = createAnswerBlocks(view);
  let started = false;
  const start = () => {
    const head = started ? '' : messageStart(view, prepared);
    started = true;
    return head;
  };
  return {
    contentType: 'text/event-stream; charset=utf-8',
    encode: ({ event }) => {
      const events = read(event);
      return start() + events.map((each) => encodeEvent(each, prepared)).join('');
    },
    failure: (error) => failure(error, prepared),
    alive: () => sse({ type: 'ping' }),
  };
}

function messageStart(view: AnswerView, { request }: PreparedMessage): string {
  const usage = usageObject({ promptTokens: countPromptTokens(request), cachedTokens: 0, completionTokens: 0 });
  const empty = { content: [], stop_reason: null, stop_sequence: null };
  return sse({ type: 'message_start', message: { ...messageHead(view), ...empty, usage } });
}

function encodeEvent(event: BlockEvent, prepared: PreparedMessage): string {
  switch (event.type) {
    case 'open':
      return sse({ type: 'content_block_start', index: event.index, content_block: emptyBlock(event.block) });
    case 'grow':
      return sse({ type: 'content_block_delta', index: event.index, delta: deltaOf(event.block, event.text) });
    case 'close':
      return signature(event) + sse({ type: 'content_block_stop', index: event.index });
    case 'failed':
      return failure(event.error, prepared);
    default:
      return (
        sse({ type: 'message_delta', delta: stop(event, prepared), usage: usageObject(event.usage) }) +
        sse({ type: 'message_stop' })
      );
  }
}

function emptyBlock(block: AnswerBlock): object {
  if (block.type === 'reasoning') return { type: 'thinking', thinking: '', signature: '' };
  return block.type === 'text' ? { type: 'text', text: '', citations: null } : contentBlock({ ...block, text: '{}' });
}

function deltaOf({ type }: AnswerBlock, text: string): object {
  if (type === 'text') return { type: 'text_delta', text };
  if (type === 'reasoning') return { type: 'thinking_delta', thinking: text };
  return { type: 'input_json_delta', partial_json: text };
}

function signature({ index, block }: { readonly index: number; readonly block: AnswerBlock }): string {
  if (block.type !== 'reasoning') return '';
  return sse({ type: 'content_block_delta', index, delta: { type: 'signature_delta', signature: SIGNATURE } });
}

function failure(error: DomainError, { httpRequestId }: PreparedMessage): string {
  return sse({ ...messagesErrorBody(error, httpRequestId) });
}

function sse(data: Readonly<Record<string, unknown>>): string {
  return `event: ${data['type']}\ndata: ${JSON.stringify(data)}\n\n`;
}
