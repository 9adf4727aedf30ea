// What POST /v1/messages answers, as zod schemas: Anthropic's message and the events of its stream.
import { z } from '@hono/zod-openapi';
import { messagesErrorSchema } from '../../openapi/error-responses.ts';
import type { NamedEvents } from '../../openapi/named-events.ts';

const tokenCount = z.int().min(0);
const index = z.int().min(0);

const usage = z
  .object({
    input_tokens: tokenCount.describe('Without those served from the prefix cache.'),
    cache_creation_input_tokens: z.literal(0),
    cache_read_input_tokens: tokenCount,
    output_tokens: tokenCount,
  })
  .openapi('MessagesUsage');

const block = z
  .discriminatedUnion('type', [
    z.object({ type: z.literal('text'), text: z.string(), citations: z.null() }),
    z.object({ type: z.literal('thinking'), thinking: z.string(), signature: z.string() }),
    z.object({
      type: z.literal('tool_use'),
      id: z.string(),
      name: z.string(),
      input: z.record(z.string(), z.unknown()),
    }),
  ])
  .openapi('MessagesBlock');

const stopReason = z.enum(['end_turn', 'max_tokens', 'stop_sequence', 'tool_use', 'model_context_window_exceeded']);
const stopFields = { stop_reason: stopReason, stop_sequence: z.string().nullable() };
const head = { id: z.string(), type: z.literal('message'), role: z.literal('assistant'), model: z.string() };

export const messageAnswer = z.object({ ...head, content: z.array(block), ...stopFields, usage }).openapi('Message');

export const tokenCountAnswer = z.object({ input_tokens: tokenCount }).openapi('MessagesTokenCount');

const delta = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text_delta'), text: z.string() }),
  z.object({ type: z.literal('thinking_delta'), thinking: z.string() }),
  z.object({ type: z.literal('signature_delta'), signature: z.string() }),
  z.object({ type: z.literal('input_json_delta'), partial_json: z.string() }),
]);

const started = z.object({
  ...head,
  content: z.array(block).max(0),
  stop_reason: z.null(),
  stop_sequence: z.null(),
  usage,
});

export const MESSAGES_EVENTS: NamedEvents = {
  prefix: 'MessagesEvent',
  events: {
    message_start: z.object({ type: z.literal('message_start'), message: started }),
    content_block_start: z.object({ type: z.literal('content_block_start'), index, content_block: block }),
    content_block_delta: z.object({ type: z.literal('content_block_delta'), index, delta }),
    content_block_stop: z.object({ type: z.literal('content_block_stop'), index }),
    message_delta: z.object({ type: z.literal('message_delta'), delta: z.object(stopFields), usage }),
    message_stop: z.object({ type: z.literal('message_stop') }),
    ping: z.object({ type: z.literal('ping') }),
    error: messagesErrorSchema,
  },
};
