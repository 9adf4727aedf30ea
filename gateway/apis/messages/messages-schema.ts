// Zod schema of the body of POST /v1/messages. Fields that it does not list are refused by name.
import { z } from '@hono/zod-openapi';
import { text } from '../../request/sampling-schema.ts';

const jsonObject = z.record(z.string(), z.unknown());
const textBlock = z.strictObject({ type: z.literal('text'), text });

const toolUse = z.strictObject({
  type: z.literal('tool_use'),
  id: text.min(1).max(256),
  name: text.min(1).max(256),
  input: jsonObject,
});

const toolResult = z.strictObject({
  type: z.literal('tool_result'),
  tool_use_id: text.min(1).max(256),
  content: z.union([text, z.array(textBlock)]).optional(),
  is_error: z.boolean().optional().describe('The result is shown to the model behind the word "Error".'),
});

const thinking = z.strictObject({ type: z.literal('thinking'), thinking: text, signature: z.string().optional() });
const redacted = z.strictObject({ type: z.literal('redacted_thinking'), data: z.string() });

const userMessage = z.strictObject({
  role: z.literal('user'),
  content: z.union([text, z.array(z.discriminatedUnion('type', [textBlock, toolResult]))]),
});

const systemMessage = z.strictObject({ role: z.literal('system'), content: z.union([text, z.array(textBlock)]) });

const assistantMessage = z.strictObject({
  role: z.literal('assistant'),
  content: z.union([text, z.array(z.discriminatedUnion('type', [textBlock, toolUse, thinking, redacted]))]),
});

const toolSchema = z.strictObject({
  type: z.literal('custom').optional().describe("Tools of the provider's own are not served."),
  name: text.min(1).max(256),
  description: text.optional(),
  input_schema: jsonObject,
  strict: z.boolean().optional(),
});

const parallel = { disable_parallel_tool_use: z.boolean().optional() };
const toolChoiceSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('auto'), ...parallel }),
  z.strictObject({ type: z.literal('any'), ...parallel }),
  z.strictObject({ type: z.literal('tool'), name: text.min(1), ...parallel }),
  z.strictObject({ type: z.literal('none') }),
]);

const thinkingSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('enabled'),
    budget_tokens: z.int().min(1).optional(),
    display: z.string().optional(),
  }),
  z.strictObject({ type: z.literal('adaptive'), display: z.string().optional() }),
  z.strictObject({ type: z.literal('disabled') }),
]);

const formatSchema = z.strictObject({ type: z.literal('json_schema'), schema: jsonObject });

/** The part of a body that makes up the prompt. */
const promptFields = {
  model: z.string().min(1).max(256).describe('Id of a model listed by /v1/models.'),
  messages: z
    .array(z.discriminatedUnion('role', [userMessage, assistantMessage, systemMessage]))
    .min(1)
    .describe('The last one is not of the assistant. Neighbours of one role are joined.'),
  system: z.union([text, z.array(textBlock)]).optional(),
  tools: z.array(toolSchema).optional(),
  tool_choice: toolChoiceSchema.optional(),
  thinking: thinkingSchema.optional(),
  output_config: z.strictObject({ format: formatSchema.optional(), effort: z.string().max(64).optional() }).optional(),
  output_format: formatSchema.optional().describe('Older name of output_config.format.'),
};

export const messagesSchema = z
  .strictObject({
    ...promptFields,
    max_tokens: z.int().min(1).describe('More than the context has left means all of it.'),
    stop_sequences: z.array(text.min(1).max(256)).optional(),
    stream: z.boolean().optional(),
    temperature: z.number().min(0).max(1).optional().describe('0 is greedy; default 1.'),
    top_p: z.number().min(0).max(1).optional(),
    top_k: z.int().min(0).max(1_000_000).optional(),
    metadata: z.strictObject({ user_id: text.max(512).optional() }).optional(),
  })
  .openapi('MessagesRequest');

export const countTokensSchema = z.strictObject(promptFields).openapi('CountTokensRequest');

export type MessagesBody = z.infer<typeof messagesSchema>;
export type CountTokensBody = z.infer<typeof countTokensSchema>;
