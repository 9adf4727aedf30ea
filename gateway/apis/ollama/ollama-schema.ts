// Zod schemas of Ollama's request bodies. Fields that they do not list are refused by name.
import { z } from '@hono/zod-openapi';
import { text } from '../../request/sampling-schema.ts';

const jsonObject = z.record(z.string(), z.unknown());
const penalty = z.number().min(-2).max(2).optional();

const optionsSchema = z
  .strictObject({
    num_predict: z.int().min(-2).optional().describe('Most tokens of the answer; negative: the rest of the context.'),
    stop: z.union([text.min(1).max(256), z.array(text.min(1).max(256))]).optional(),
    temperature: z.number().min(0).max(2).optional(),
    top_k: z.int().min(0).max(1_000_000).optional(),
    top_p: z.number().min(0).max(1).optional(),
    min_p: z.number().min(0).max(1).optional(),
    seed: z.int().optional(),
    repeat_penalty: z.number().min(0.01).max(10).optional(),
    presence_penalty: penalty,
    frequency_penalty: penalty,
  })
  .optional();

const shared = {
  model: z.string().min(1).max(256).describe('A name of /api/tags; `:latest` may be added.'),
  format: z
    .union([z.literal('json'), z.literal(''), jsonObject])
    .optional()
    .describe('`json`, or a JSON Schema.'),
  options: optionsSchema,
  stream: z.boolean().optional().describe('Default: true.'),
  think: z.union([z.boolean(), z.enum(['low', 'medium', 'high'])]).optional(),
};

const toolCall = z.object({
  id: z.string().optional(),
  type: z.string().optional(),
  function: z.object({ name: text.min(1).max(256), arguments: jsonObject.optional() }),
});

const messageSchema = z.strictObject({
  role: z.enum(['system', 'user', 'assistant', 'tool']),
  content: text.optional(),
  thinking: text.optional(),
  tool_calls: z.array(toolCall).optional(),
  tool_name: text.max(256).optional(),
  tool_call_id: text.max(256).optional(),
});

const toolSchema = z.object({
  type: z.literal('function').optional(),
  function: z.object({
    name: text.min(1).max(256),
    description: text.optional(),
    parameters: jsonObject.optional(),
    strict: z.boolean().optional(),
  }),
});

export const ollamaChatSchema = z
  .strictObject({
    ...shared,
    messages: z.array(messageSchema).optional().describe('Without any, the answer only says that the model is loaded.'),
    tools: z.array(toolSchema).optional(),
  })
  .openapi('OllamaChatRequest');

export const ollamaGenerateSchema = z
  .strictObject({
    ...shared,
    prompt: text.optional().describe('Without one, the answer only says that the model is loaded.'),
    system: text.optional(),
  })
  .openapi('OllamaGenerateRequest');

export const ollamaShowSchema = z
  .object({ model: z.string().min(1).max(256).optional(), name: z.string().min(1).max(256).optional() })
  .openapi('OllamaShowRequest');

export type OllamaChatBody = z.infer<typeof ollamaChatSchema>;
export type OllamaGenerateBody = z.infer<typeof ollamaGenerateSchema>;
