// Zod schema of the body of POST /v1/chat/completions. Fields that it does not list are refused by name.
import { z } from '@hono/zod-openapi';
import { samplingFields, text } from './sampling-schema.ts';

const textPart = z.strictObject({ type: z.literal('text'), text });

const messageSchema = z
  .strictObject({
    role: z.enum(['system', 'developer', 'user', 'assistant']),
    content: z
      .union([text, z.array(textPart)])
      .optional()
      .describe('Text, or a list of text parts, which are joined. Empty only for an assistant.'),
    name: text
      .max(256)
      .optional()
      .describe('Name of the speaker, for chat templates that render it; others ignore it.'),
  })
  .superRefine(({ role, content }, context) => {
    if (role === 'assistant' || (content !== undefined && (typeof content === 'string' || content.length > 0))) return;
    const message = 'expected text: only the content of an assistant may be empty';
    context.addIssue({ code: 'custom', path: ['content'], message });
  });

export const chatCompletionSchema = z
  .strictObject({
    ...samplingFields,
    messages: z.array(messageSchema).min(1),
    max_completion_tokens: z.int().min(1).nullish().describe('Newer name of max_tokens.'),
    logprobs: z.boolean().nullish(),
    top_logprobs: z.int().min(0).max(20).nullish().describe('Alternatives per token; needs logprobs.'),
    response_format: z.strictObject({ type: z.literal('text').optional() }).nullish(),
  })
  .openapi('ChatCompletionRequest');

export type ChatCompletionBody = z.infer<typeof chatCompletionSchema>;
