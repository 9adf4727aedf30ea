// What the generation endpoints answer, as zod schemas: OpenAI's objects, whole and as chunks of a stream.
import { z } from '@hono/zod-openapi';

const unixSeconds = z.int().min(0).describe('Unix time in seconds.');
const finishReason = z.enum(['stop', 'length']);
const chatFinishReason = z
  .enum(['stop', 'length', 'tool_calls', 'function_call'])
  .describe('`function_call` for requests with the older `functions`.');
const choiceIndex = z.int().min(0);
const tokenCount = z.int().min(0);

const usageSchema = z
  .object({
    prompt_tokens: tokenCount,
    completion_tokens: tokenCount,
    total_tokens: tokenCount,
    prompt_tokens_details: z.object({
      cached_tokens: tokenCount.describe('Prompt tokens served from the prefix cache.'),
    }),
    completion_tokens_details: z.object({
      reasoning_tokens: tokenCount.describe('Completion tokens of `reasoning_content`.'),
    }),
  })
  .openapi('Usage');

const tokenLogprob = {
  token: z.string(),
  logprob: z.number(),
  bytes: z.array(z.int().min(0).max(255)).describe('A token may be a fragment of a character.'),
};

const chatLogprobsSchema = z
  .object({
    content: z.array(z.object({ ...tokenLogprob, top_logprobs: z.array(z.object(tokenLogprob)) })),
    refusal: z.null(),
  })
  .openapi('ChatLogprobs');

const textLogprobsSchema = z
  .object({
    tokens: z.array(z.string()),
    token_logprobs: z.array(z.number().nullable()),
    top_logprobs: z.array(z.record(z.string(), z.number()).nullable()),
    text_offset: z.array(z.int().min(0)).describe('Where each token starts in the text, in UTF-16 units.'),
  })
  .openapi('TextLogprobs');

const head = {
  id: z.string(),
  created: unixSeconds,
  model: z.string(),
  system_fingerprint: z.string().nullable().describe('Changes with the checkpoint and the numerics of the nodes.'),
};

const functionCall = z
  .object({ name: z.string(), arguments: z.string().describe('JSON text, as the model wrote it.') })
  .openapi('FunctionCall');

const toolCall = z.object({ id: z.string(), type: z.literal('function'), function: functionCall }).openapi('ToolCall');

const functionDelta = z.object({ name: z.string().optional(), arguments: z.string() });

const toolCallDelta = z.object({
  index: choiceIndex,
  id: z.string().optional().describe('With the name, in the first piece of a call.'),
  type: z.literal('function').optional(),
  function: functionDelta,
});

const reasoningContent = z.string().optional().describe('What the model thought before its answer.');

const chatMessage = z.object({
  role: z.literal('assistant'),
  content: z.string().nullable().describe('Null if the answer consists of calls.'),
  reasoning_content: reasoningContent,
  refusal: z.null(),
  tool_calls: z.array(toolCall).optional(),
  function_call: functionCall.optional(),
});

const chatDelta = z.object({
  role: z.literal('assistant').optional(),
  content: z.string().optional(),
  reasoning_content: reasoningContent,
  tool_calls: z.array(toolCallDelta).optional(),
  function_call: functionDelta.optional(),
});

export const chatCompletionAnswer = z
  .object({
    ...head,
    object: z.literal('chat.completion'),
    choices: z.array(
      z.object({
        index: choiceIndex,
        message: chatMessage,
        logprobs: chatLogprobsSchema.nullable(),
        finish_reason: chatFinishReason,
      }),
    ),
    usage: usageSchema,
  })
  .openapi('ChatCompletion');

const chunkUsage = usageSchema.nullable().optional().describe('With stream_options.include_usage, in the last chunk.');

export const chatCompletionChunk = z
  .object({
    ...head,
    object: z.literal('chat.completion.chunk'),
    choices: z.array(
      z.object({
        index: choiceIndex,
        delta: chatDelta,
        logprobs: chatLogprobsSchema.nullable(),
        finish_reason: chatFinishReason.nullable(),
      }),
    ),
    usage: chunkUsage,
  })
  .openapi('ChatCompletionChunk');

const textChoice = { index: choiceIndex, text: z.string(), logprobs: textLogprobsSchema.nullable() };

export const textCompletionAnswer = z
  .object({
    ...head,
    object: z.literal('text_completion'),
    choices: z.array(z.object({ ...textChoice, finish_reason: finishReason })),
    usage: usageSchema,
  })
  .openapi('TextCompletion');

export const textCompletionChunk = z
  .object({
    ...head,
    object: z.literal('text_completion'),
    choices: z.array(z.object({ ...textChoice, finish_reason: finishReason.nullable() })),
    usage: chunkUsage,
  })
  .openapi('TextCompletionChunk');

export const modelSchema = z
  .object({
    id: z.string(),
    object: z.literal('model'),
    created: unixSeconds,
    owned_by: z.literal('conclave'),
    context_length: z.int().min(1).describe('Maximum tokens of prompt and completion together.'),
  })
  .openapi('Model');

export const cancellationSchema = z
  .object({
    id: z.string(),
    object: z.literal('stream.cancellation'),
    cancelled: z.boolean().describe('False if it had already ended.'),
  })
  .openapi('StreamCancellation');
