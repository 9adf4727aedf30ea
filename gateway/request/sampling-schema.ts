// Fields that both completion endpoints share, as zod schemas: how to sample, when to stop, how to answer. Every optional
// field may be null, which clients send for "not given".
import { z } from '@hono/zod-openapi';

const penalty = z.number().min(-2).max(2).nullish();

const stopSchema = z
  .union([z.string().min(1).max(256), z.array(z.string().min(1).max(256)).max(4)])
  .nullish()
  .describe('Up to 4 strings that end an answer; they are not part of it.');

/** Token ids are object keys in JSON; their range is checked against the model. */
const logitBiasSchema = z
  .record(z.string().regex(/^\d{1,9}$/, 'expected a token id'), z.number().min(-100).max(100))
  .refine((biases) => Object.keys(biases).length <= 1024, 'expected at most 1024 entries')
  .nullish();

export const samplingFields = {
  model: z.string().min(1).max(256).describe('Id of a model listed by /v1/models.'),
  temperature: z.number().min(0).max(2).nullish().describe('0 is greedy; default 1.'),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(0).max(1_000_000).nullish().describe('Extension: 0 keeps the whole vocabulary.'),
  min_p: z.number().min(0).max(1).nullish().describe('Extension: least chance relative to the most likely token.'),
  repetition_penalty: z.number().positive().max(10).nullish().describe('Extension: 1 changes nothing.'),
  frequency_penalty: penalty,
  presence_penalty: penalty,
  logit_bias: logitBiasSchema,
  seed: z.int().nullish().describe('The same seed and request give the same answer.'),
  stop: stopSchema,
  max_tokens: z.int().min(1).nullish().describe('Default: what is left of the context.'),
  n: z.int().min(1).nullish().describe('Number of answers; default 1.'),
  stream: z.boolean().nullish(),
  stream_options: z.strictObject({ include_usage: z.boolean().nullish() }).nullish(),
  user: z.string().max(512).nullish().describe('Your name for the end user; kept in the log only.'),
};

/** The part of a parsed body that `samplingFields` describes. */
export type SharedFields = z.infer<z.ZodObject<typeof samplingFields>>;
