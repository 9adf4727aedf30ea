// Zod schemas of tools, of the choice among them and of calls, in the bodies of chat completions; also of the older `functions`.
import { z } from '@hono/zod-openapi';
import { text } from './sampling-schema.ts';

const MOST_NAME_CHARACTERS = 128;

export const toolName = z
  .string()
  .refine(
    (name) => new RegExp(`^[a-zA-Z0-9_.-]{1,${MOST_NAME_CHARACTERS}}$`, 'u').test(name),
    `expected a name of 1 to ${MOST_NAME_CHARACTERS} letters, digits, '_', '-' or '.'`,
  );

/** Its values are no fields of the body: nothing of them is dropped, nulls included. */
const parameters = z
  .record(z.string(), z.unknown())
  .nullish()
  .describe('JSON Schema of the arguments, an object; without it there are no arguments.');

const functionFields = { name: toolName, description: text.nullish(), parameters };

const toolSchema = z
  .strictObject({
    type: z.literal('function'),
    function: z.strictObject({
      ...functionFields,
      strict: z
        .boolean()
        .nullish()
        .describe('Refuse a schema that cannot be enforced, instead of promising JSON only.'),
    }),
  })
  .openapi('Tool');

const namedFunction = z.strictObject({ type: z.literal('function'), function: z.strictObject({ name: toolName }) });

const toolChoiceSchema = z
  .union([
    z.enum(['none', 'auto', 'required']),
    namedFunction,
    z.strictObject({
      type: z.literal('allowed_tools'),
      allowed_tools: z.strictObject({ mode: z.enum(['auto', 'required']), tools: z.array(namedFunction).min(1) }),
    }),
  ])
  .openapi('ToolChoice');

export const toolFields = {
  tools: z.array(toolSchema).max(1024).nullish(),
  tool_choice: toolChoiceSchema.nullish().describe('Default: auto if there are tools.'),
  parallel_tool_calls: z.boolean().nullish().describe('Whether an answer may make several calls; default true.'),
  functions: z.array(z.strictObject(functionFields)).max(1024).nullish().describe('Older form of `tools`.'),
  function_call: z
    .union([z.enum(['none', 'auto']), z.strictObject({ name: toolName })])
    .nullish()
    .describe('Older form of `tool_choice`.'),
};

/** What the model called before. The arguments are its words, so they may be anything. */
const calledFunction = z.strictObject({ name: toolName, arguments: text });

const toolCallSchema = z.strictObject({
  id: text.min(1).max(256),
  type: z.literal('function').optional(),
  function: calledFunction,
});

/** Fields of messages. */
export const callFields = {
  tool_calls: z.array(toolCallSchema).max(1024).optional().describe('Calls that the assistant made.'),
  tool_call_id: text.max(256).optional().describe('Of a `tool` message: the call that it answers.'),
  function_call: calledFunction.optional().describe('Older form of `tool_calls`.'),
};

export type ToolFields = z.infer<z.ZodObject<typeof toolFields>>;
