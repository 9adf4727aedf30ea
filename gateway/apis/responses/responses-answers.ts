// What the endpoints of the Responses API answer, as zod schemas: responses, items, events.
import { z } from '@hono/zod-openapi';
import type { NamedEvents } from '../../openapi/named-events.ts';

const count = z.int().min(0);
const seconds = z.int().min(0).describe('Unix time in seconds.');
const jsonObject = z.record(z.string(), z.unknown());
const itemStatus = z.enum(['in_progress', 'completed', 'incomplete']);
const head = { id: z.string(), status: itemStatus };

const outputText = z.object({
  type: z.literal('output_text'),
  text: z.string(),
  annotations: z.array(z.unknown()).max(0),
  logprobs: z.array(z.unknown()).max(0),
});
const inputText = z.object({ type: z.literal('input_text'), text: z.string() });
const reasoningText = z.object({ type: z.literal('reasoning_text'), text: z.string() });

const functionCall = z.object({
  type: z.literal('function_call'),
  ...head,
  call_id: z.string(),
  namespace: z.string().optional(),
  name: z.string(),
  arguments: z.string().describe('JSON, a part of it if the answer was cut.'),
});

const reasoning = z.object({
  type: z.literal('reasoning'),
  ...head,
  summary: z.array(z.unknown()).max(0),
  content: z.array(reasoningText),
  encrypted_content: z.string().optional().describe('With include: reasoning.encrypted_content.'),
});

const outputMessage = z.object({
  type: z.literal('message'),
  ...head,
  role: z.literal('assistant'),
  content: z.array(outputText),
});

const outputItem = z.discriminatedUnion('type', [outputMessage, functionCall, reasoning]).openapi('ResponseOutputItem');

const inputItem = z
  .discriminatedUnion('type', [
    z.object({
      type: z.literal('message'),
      ...head,
      role: z.enum(['user', 'assistant', 'system', 'developer']),
      content: z.array(z.discriminatedUnion('type', [inputText, outputText])),
    }),
    functionCall,
    z.object({ type: z.literal('function_call_output'), ...head, call_id: z.string(), output: z.string() }),
    reasoning,
  ])
  .openapi('ResponseInputItem');

const usage = z
  .object({
    input_tokens: count,
    input_tokens_details: z.object({ cached_tokens: count }),
    output_tokens: count,
    output_tokens_details: z.object({ reasoning_tokens: count }),
    total_tokens: count,
  })
  .openapi('ResponseUsage');

export const responseSchema = z
  .object({
    id: z.string(),
    object: z.literal('response'),
    created_at: seconds,
    completed_at: seconds.nullable(),
    status: z.enum(['queued', 'in_progress', 'completed', 'incomplete', 'failed', 'cancelled']),
    background: z.boolean(),
    error: z.object({ code: z.literal('server_error'), message: z.string() }).nullable(),
    incomplete_details: z.object({ reason: z.literal('max_output_tokens') }).nullable(),
    instructions: z.string().nullable(),
    max_output_tokens: z.int().min(1).nullable(),
    metadata: z.record(z.string(), z.string()),
    model: z.string(),
    output: z.array(outputItem),
    parallel_tool_calls: z.boolean(),
    previous_response_id: z.string().nullable(),
    reasoning: z.object({ effort: z.string().nullable(), summary: z.null() }),
    store: z.boolean(),
    temperature: z.number(),
    text: z.object({ format: jsonObject }),
    tool_choice: z.union([z.string(), jsonObject]),
    tools: z.array(jsonObject),
    top_logprobs: z.literal(0),
    top_p: z.number(),
    truncation: z.literal('disabled'),
    usage: usage.nullable(),
    user: z.string().nullable(),
  })
  .openapi('Response');

export const deletedSchema = z
  .object({ id: z.string(), object: z.literal('response'), deleted: z.literal(true) })
  .openapi('DeletedResponse');

export const itemListSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(inputItem),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    has_more: z.boolean(),
  })
  .openapi('ResponseInputItems');

/** An event of a type, with its number. */
function event(type: string, fields: z.ZodRawShape): readonly [string, z.ZodType] {
  return [type, z.object({ type: z.literal(type), sequence_number: count, ...fields })];
}

const whole = { response: responseSchema };
const place = { item_id: z.string(), output_index: count };
const part = { ...place, content_index: count };
const content = z.discriminatedUnion('type', [outputText, reasoningText]);
const logprobs = z.array(z.unknown()).max(0);

export const RESPONSES_EVENTS: NamedEvents = {
  prefix: 'ResponsesEvent',
  events: Object.fromEntries([
    event('response.created', whole),
    event('response.queued', whole),
    event('response.in_progress', whole),
    event('response.output_item.added', { output_index: count, item: outputItem }),
    event('response.content_part.added', { ...part, part: content }),
    event('response.output_text.delta', { ...part, delta: z.string(), logprobs }),
    event('response.output_text.done', { ...part, text: z.string(), logprobs }),
    event('response.reasoning_text.delta', { ...part, delta: z.string() }),
    event('response.reasoning_text.done', { ...part, text: z.string() }),
    event('response.content_part.done', { ...part, part: content }),
    event('response.function_call_arguments.delta', { ...place, delta: z.string() }),
    event('response.function_call_arguments.done', { ...place, name: z.string(), arguments: z.string() }),
    event('response.output_item.done', { output_index: count, item: outputItem }),
    event('response.completed', whole),
    event('response.incomplete', whole),
    event('response.failed', whole),
    event('error', { code: z.string(), message: z.string(), param: z.string().nullable() }),
  ]),
};
