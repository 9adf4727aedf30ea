// The body of POST /v1/chat/completions, as zod schema: what it lists is supported, everything else is refused by name.
import { z } from '@hono/zod-openapi';
import { samplingFields } from './sampling-schema.ts';

const textPart = z.strictObject({ type: z.literal('text'), text: z.string() });

const messageSchema = z.strictObject({
  role: z.enum(['system', 'developer', 'user', 'assistant']),
  content: z.union([z.string(), z.array(textPart).min(1)]).describe('Text, or parts of text that are joined.'),
});

export const chatCompletionSchema = z
  .strictObject({
    ...samplingFields,
    messages: z.array(messageSchema).min(1),
    max_completion_tokens: z.int().min(1).nullish().describe('Newer name of max_tokens.'),
    logprobs: z.boolean().nullish(),
    top_logprobs: z.int().min(0).max(20).nullish().describe('Alternatives per token; needs logprobs.'),
    response_format: z.strictObject({ type: z.literal('text') }).nullish(),
  })
  .openapi('ChatCompletionRequest');

export type ChatCompletionBody = z.infer<typeof chatCompletionSchema>;

/** Fields of OpenAI's API that we do not support, and values that ask for nothing and so may be sent all the same. */
export const UNSUPPORTED_CHAT_FIELDS: Readonly<Record<string, readonly unknown[]>> = {
  tools: [],
  tool_choice: ['none'],
  parallel_tool_calls: [],
  functions: [],
  function_call: ['none'],
  audio: [],
  modalities: [],
  prediction: [],
  reasoning_effort: [],
  verbosity: [],
  web_search_options: [],
  service_tier: ['auto', 'default'],
  store: [false],
  metadata: [],
  moderation: [],
  prompt_cache_key: [],
  prompt_cache_retention: [],
  safety_identifier: [],
};
