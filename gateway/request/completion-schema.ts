// Zod schema of the body of POST /v1/completions. Fields that it does not list are refused by name.
import { z } from '@hono/zod-openapi';
import { formatFields } from './requested-format.ts';
import { samplingFields, text } from './sampling-schema.ts';

const tokenIds = z.array(z.int().min(0)).min(1);

export const completionSchema = z
  .strictObject({
    ...samplingFields,
    ...formatFields,
    prompt: z
      .union([text, tokenIds, z.array(text).min(1), z.array(tokenIds).min(1)])
      .describe('Text, token ids, or a list of either: each prompt gets `n` answers.'),
    max_tokens: z.int().min(0).nullish().describe('Default: 16. 0 is allowed only with echo.'),
    echo: z.boolean().nullish().describe('Start each answer with its prompt, including its log-probabilities.'),
    logprobs: z.int().min(0).max(20).nullish().describe('Alternatives per token.'),
  })
  .openapi('CompletionRequest');

export type CompletionBody = z.infer<typeof completionSchema>;
