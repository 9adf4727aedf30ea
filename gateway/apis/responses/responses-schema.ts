// Zod schema of the body of POST /v1/responses. Fields that it does not list are refused by name.
import { z } from '@hono/zod-openapi';
import { text } from '../../request/sampling-schema.ts';

const jsonObject = z.record(z.string(), z.unknown());
const id = text.min(1).max(256);
const status = z.enum(['in_progress', 'completed', 'incomplete']).optional();

const textPart = z.strictObject({ type: z.enum(['input_text', 'output_text', 'text']), text });
const content = z.union([text, z.array(textPart)]);

const message = z.strictObject({
  type: z.literal('message').optional(),
  id: id.optional(),
  role: z.enum(['user', 'assistant', 'system', 'developer']),
  content,
  status,
});

const functionCall = z.strictObject({
  type: z.literal('function_call'),
  id: id.optional(),
  call_id: id,
  namespace: id.optional(),
  name: id,
  arguments: text,
  status,
});

const functionCallOutput = z.strictObject({
  type: z.literal('function_call_output'),
  id: id.optional(),
  call_id: id,
  output: content,
  status,
});

const reasoning = z.strictObject({
  type: z.literal('reasoning'),
  id: id.optional(),
  summary: z.array(z.strictObject({ type: z.literal('summary_text'), text })).optional(),
  content: z.array(z.strictObject({ type: z.enum(['reasoning_text', 'text']), text })).optional(),
  encrypted_content: z.string().optional(),
  status,
});

const itemReference = z.strictObject({ type: z.literal('item_reference').optional(), id });

const inputItem = z.union([message, functionCall, functionCallOutput, reasoning, itemReference]);

const functionTool = z.strictObject({
  type: z.literal('function'),
  name: id,
  description: text.optional(),
  parameters: jsonObject.optional(),
  strict: z.boolean().optional(),
});

const toolSchema = z.discriminatedUnion('type', [
  functionTool,
  z.strictObject({
    type: z.literal('namespace'),
    name: id,
    description: text.optional(),
    tools: z.array(functionTool),
  }),
  z
    .looseObject({ type: z.enum(['web_search', 'web_search_preview']) })
    .describe('Taken: the model answers without a search, which it always may.'),
]);

const namedTool = z.strictObject({ type: z.literal('function'), name: id });

const toolChoiceSchema = z.union([
  z.enum(['none', 'auto', 'required']),
  namedTool,
  z.strictObject({ type: z.literal('allowed_tools'), mode: z.enum(['auto', 'required']), tools: z.array(namedTool) }),
]);

const formatSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({
    type: z.literal('json_schema'),
    name: text.min(1).max(64),
    description: text.optional(),
    schema: jsonObject,
    strict: z.boolean().optional(),
  }),
]);

/** As OpenAI has it: 16 pairs of short strings. */
const metadataSchema = z
  .record(z.string().max(64), z.string().max(512))
  .refine((pairs) => Object.keys(pairs).length <= 16, 'expected at most 16 pairs');

export const responsesSchema = z
  .strictObject({
    model: z.string().min(1).max(256).describe('Id of a model listed by /v1/models.'),
    input: z.union([text.min(1), z.array(inputItem).min(1)]),
    instructions: text.optional(),
    previous_response_id: z.string().max(128).optional().describe('A stored response of the tenant to go on from.'),
    store: z.boolean().optional().describe('Keep the response; default true.'),
    background: z.boolean().optional().describe('Answer at once, and generate without a client that waits.'),
    stream: z.boolean().optional(),
    max_output_tokens: z.int().min(1).optional().describe('More than the context has left means all of it.'),
    temperature: z.number().min(0).max(2).optional(),
    top_p: z.number().min(0).max(1).optional(),
    tools: z.array(toolSchema).optional(),
    tool_choice: toolChoiceSchema.optional(),
    parallel_tool_calls: z.boolean().optional(),
    text: z.strictObject({ format: formatSchema.optional() }).optional(),
    reasoning: z.strictObject({ effort: z.string().max(64).optional() }).optional(),
    include: z
      .array(
        z.enum([
          'reasoning.encrypted_content',
          // They ask for details of items that never occur here.
          'file_search_call.results',
          'web_search_call.results',
          'web_search_call.action.sources',
          'message.input_image.image_url',
          'computer_call_output.output.image_url',
          'code_interpreter_call.outputs',
        ]),
      )
      .optional(),
    metadata: metadataSchema.optional().describe('Kept with the response.'),
    user: text.max(512).optional().describe('Your identifier of the end user; it is only logged.'),
  })
  .openapi('ResponsesRequest');

export type ResponsesBody = z.infer<typeof responsesSchema>;
export type InputItem = z.infer<typeof inputItem>;
