// Zod schema of the body of POST /v1/chat/completions. Fields that it does not list are refused by name.
import { z } from '@hono/zod-openapi';
import { formatFields } from './requested-format.ts';
import { samplingFields, text } from './sampling-schema.ts';
import { callFields, toolFields } from './tool-schema.ts';

const textPart = z.strictObject({ type: z.literal('text'), text });

const messageSchema = z
  .strictObject({
    role: z
      .enum(['system', 'developer', 'user', 'assistant', 'tool', 'function'])
      .describe('`function` is the older name of `tool`.'),
    content: z
      .union([text, z.array(textPart)])
      .optional()
      .describe('Text, or a list of text parts, which are joined. Empty only for an assistant and for results.'),
    name: text
      .max(256)
      .optional()
      .describe('Name of the speaker, for chat templates that render it; others ignore it.'),
    reasoning_content: text.optional().describe('What an assistant thought before its answer.'),
    reasoning: text.optional().describe('Another name of reasoning_content.'),
    ...callFields,
  })
  .superRefine(refuseMisplacedFields);

export const chatCompletionSchema = z
  .strictObject({
    ...samplingFields,
    ...toolFields,
    ...formatFields,
    messages: z.array(messageSchema).min(1),
    max_completion_tokens: z.int().min(1).nullish().describe('Newer name of max_tokens.'),
    logprobs: z.boolean().nullish(),
    top_logprobs: z.int().min(0).max(20).nullish().describe('Alternatives per token; needs logprobs.'),
    reasoning_effort: z
      .enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'])
      .nullish()
      .describe('How long to think, for models that know it; `none` asks models that can to answer at once.'),
    chat_template_kwargs: z
      .record(z.string(), z.unknown())
      .nullish()
      .describe("Extension: variables for the model's chat template, such as `enable_thinking`."),
    add_generation_prompt: z.boolean().nullish().describe('Extension: false leaves out the start of the answer.'),
    continue_final_message: z
      .boolean()
      .nullish()
      .describe("Extension: the answer continues the last message, which is an assistant's."),
  })
  .openapi('ChatCompletionRequest');

export type ChatCompletionBody = z.infer<typeof chatCompletionSchema>;

interface MessageFields {
  readonly role: string;
  readonly content?: unknown;
  readonly [field: string]: unknown;
}

/** The roles to which a field belongs. */
const ROLES_OF_FIELDS: Readonly<Record<string, readonly string[]>> = {
  reasoning_content: ['assistant'],
  reasoning: ['assistant'],
  tool_calls: ['assistant'],
  function_call: ['assistant'],
  tool_call_id: ['tool'],
};

/** Roles whose messages may be without content. */
const MAY_BE_EMPTY: readonly string[] = ['assistant', 'tool', 'function'];

function refuseMisplacedFields(message: MessageFields, context: z.RefinementCtx): void {
  const { role, content } = message;
  const hasContent = typeof content === 'string' || (Array.isArray(content) && content.length > 0);
  if (!hasContent && !MAY_BE_EMPTY.includes(role)) {
    const fault = 'expected text: only the content of an assistant or of a result may be empty';
    context.addIssue({ code: 'custom', path: ['content'], message: fault });
  }
  for (const [field, roles] of Object.entries(ROLES_OF_FIELDS)) {
    if (message[field] === undefined || roles.includes(role)) continue;
    context.addIssue({
      code: 'custom',
      path: [field],
      message: `expected it only in messages of role ${roles.join(', ')}`,
    });
  }
}
