// What Ollama's endpoints answer, as zod schemas.
import { z } from '@hono/zod-openapi';
import { ollamaErrorSchema } from '../../openapi/error-responses.ts';

const count = z.int().min(0);
const nanoseconds = z.number().min(0);
const jsonObject = z.record(z.string(), z.unknown());

const head = { model: z.string(), created_at: z.iso.datetime(), done: z.boolean() };

/** In the last object. */
const end = {
  done_reason: z.enum(['stop', 'length', 'load']).optional(),
  total_duration: nanoseconds.optional(),
  load_duration: nanoseconds.optional(),
  prompt_eval_duration: nanoseconds.optional(),
  eval_duration: nanoseconds.optional(),
  prompt_eval_count: count.optional(),
  eval_count: count.optional(),
};

const message = z.object({
  role: z.literal('assistant'),
  content: z.string(),
  thinking: z.string().optional(),
  tool_calls: z.array(z.object({ function: z.object({ name: z.string(), arguments: jsonObject }) })).optional(),
});

export const ollamaChatAnswer = z.object({ ...head, message, ...end }).openapi('OllamaChat');
export const ollamaGenerateAnswer = z
  .object({ ...head, response: z.string(), thinking: z.string().optional(), ...end })
  .openapi('OllamaGeneration');

/** A line of a stream: a part of the answer, or the error that ends it. */
export const lineOf = (schema: z.ZodType) => z.union([schema, ollamaErrorSchema]);

const details = z.object({
  parent_model: z.string(),
  format: z.string(),
  family: z.string(),
  families: z.array(z.string()),
  parameter_size: z.string(),
  quantization_level: z.string(),
});

const listed = { name: z.string(), model: z.string(), size: count, digest: z.string(), details };

export const tagsAnswer = z
  .object({ models: z.array(z.object({ ...listed, modified_at: z.iso.datetime() })) })
  .openapi('OllamaTags');

export const psAnswer = z
  .object({
    models: z.array(
      z.object({ ...listed, expires_at: z.iso.datetime(), size_vram: count, context_length: z.int().min(1) }),
    ),
  })
  .openapi('OllamaProcesses');

export const showAnswer = z
  .object({
    modelfile: z.string(),
    parameters: z.string(),
    template: z.string(),
    details,
    model_info: jsonObject,
    capabilities: z.array(z.string()),
    modified_at: z.iso.datetime(),
  })
  .openapi('OllamaModel');

export const versionAnswer = z.object({ version: z.string() }).openapi('OllamaVersion');
