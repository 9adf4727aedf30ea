// Fields that both completion endpoints share, as zod schemas: how to sample, when to stop, how to answer. Every optional
// field may be null, which clients send for "not given".
import { z } from '@hono/zod-openapi';

const penalty = z.number().min(-2).max(2).nullish();

const MOST_STOP_CHARACTERS = 256;

/** Text of a client. JSON can spell one half of a surrogate pair, which is no text: it could not even be sent back. */
export const text = z
  .string()
  .refine((value) => value.isWellFormed(), 'expected Unicode text, but it contains an unpaired surrogate');

const stopString = text.min(1).max(MOST_STOP_CHARACTERS);

const stopSchema = z
  .union([stopString, z.array(stopString)])
  .nullish()
  .describe('Strings that end an answer and are not part of it. The server limits their number.');

const LARGEST_BIAS = 100;
const MOST_BIASES = 1024;

type Biases = Readonly<Record<string, number | null>>;

/** Token ids are keys of an object in JSON; their range is checked against the model. Not a record, which drops some keys. */
const logitBiasSchema = z
  .custom<Biases>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), 'expected object')
  .superRefine((biases, context) => {
    const entries = Object.entries(biases);
    if (entries.length > MOST_BIASES) {
      context.addIssue({ code: 'custom', message: `expected at most ${MOST_BIASES} entries` });
    }
    for (const [token, bias] of entries) {
      const message = biasFault(token, bias);
      if (message !== null) context.addIssue({ code: 'custom', path: [token], message });
    }
  })
  .nullish()
  .openapi({
    type: ['object', 'null'],
    additionalProperties: { type: ['number', 'null'], minimum: -LARGEST_BIAS, maximum: LARGEST_BIAS },
    description: 'Maps a token id to the bias that is added to its logit.',
  });

function biasFault(token: string, bias: unknown): string | null {
  if (!/^\d{1,9}$/.test(token)) return 'expected a token id as key';
  if (bias === null) return null;
  if (typeof bias !== 'number') return `expected number but received ${typeof bias}`;
  return Math.abs(bias) <= LARGEST_BIAS ? null : `expected a number of -${LARGEST_BIAS} to ${LARGEST_BIAS}`;
}

/** JSON numbers beyond 2^53 arrive as bigint (read-exact-seed.ts). */
const seedSchema = z
  .custom<number | bigint>(isInt64, 'expected a 64-bit integer')
  .nullish()
  .openapi({
    type: ['integer', 'null'],
    format: 'int64',
    description: 'The same seed and request give the same answer.',
  });

function isInt64(value: unknown): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value);
  return typeof value === 'bigint' && BigInt.asIntN(64, value) === value;
}

export const samplingFields = {
  model: z.string().min(1).max(256).describe('Id of a model listed by /v1/models.'),
  temperature: z.number().min(0).max(2).nullish().describe('0 is greedy; default 1.'),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(0).max(1_000_000).nullish().describe('Extension: 0 keeps the whole vocabulary.'),
  min_p: z
    .number()
    .min(0)
    .max(1)
    .nullish()
    .describe('Extension: minimum probability relative to the most likely token.'),
  repetition_penalty: z.number().min(0.01).max(10).nullish().describe('Extension: 1 changes nothing.'),
  frequency_penalty: penalty,
  presence_penalty: penalty,
  logit_bias: logitBiasSchema,
  seed: seedSchema,
  stop: stopSchema,
  max_tokens: z.int().min(1).nullish().describe('Default: 16 for completions, the rest of the context for chat.'),
  ignore_eos: z.boolean().nullish().describe('Extension: the answer goes on to its limit; no end token ends it.'),
  n: z.int().min(1).nullish().describe('Number of answers; default 1.'),
  stream: z.boolean().nullish(),
  stream_options: z.strictObject({ include_usage: z.boolean().nullish() }).nullish(),
  user: text.max(512).nullish().describe('Your identifier of the end user; it is only logged.'),
};

/** The part of a parsed body that `samplingFields` describes. */
export type SharedFields = z.infer<z.ZodObject<typeof samplingFields>>;
