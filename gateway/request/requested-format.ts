// What a client asks an answer to look like: OpenAI's `response_format`, vLLM's `structured_outputs` and its older names -> an
// expression for the constraint. At most one of them.
import { z } from '@hono/zod-openapi';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { ConstraintFault } from '../constraint/constraint-fault.ts';
import { alternatives, type Expression, literal } from '../constraint/expression.ts';
import { gbnfGrammar } from '../constraint/gbnf.ts';
import { regularExpression } from '../constraint/regular-expression.ts';
import { jsonObject, jsonSchema } from '../constraint/schema/json-schema.ts';
import { isFields } from './drop-idle-fields.ts';
import { text } from './sampling-schema.ts';

const MOST_CHOICES = 5_000;
const choices = z.array(text.min(1)).max(MOST_CHOICES);
const schema = z.unknown().describe('A JSON Schema, or its text.');

const structuredOutputs = z.strictObject({
  json: schema.nullish(),
  json_object: z.boolean().nullish(),
  regex: text.nullish().describe('A regular expression that the whole answer matches.'),
  choice: choices.nullish().describe('The answer is one of these.'),
  grammar: text.nullish().describe('A grammar in GBNF, whose rule `root` is the answer.'),
});

/** Fields of the bodies of both completion endpoints. */
export const formatFields = {
  response_format: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('text').optional() }),
      z.strictObject({ type: z.literal('json_object') }),
      z.strictObject({
        type: z.literal('json_schema'),
        json_schema: z.strictObject({
          name: text.max(64),
          description: text.optional(),
          schema: schema.optional(),
          strict: z
            .boolean()
            .nullish()
            .describe('The answer always fits the schema; a schema that cannot be enforced is refused.'),
        }),
      }),
    ])
    .nullish(),
  structured_outputs: structuredOutputs.nullish().describe('Extension of vLLM: one of its fields.'),
  guided_json: schema.nullish().describe('Older name of structured_outputs.json.'),
  guided_regex: text.nullish().describe('Older name of structured_outputs.regex.'),
  guided_choice: choices.nullish().describe('Older name of structured_outputs.choice.'),
  guided_grammar: text.nullish().describe('Older name of structured_outputs.grammar.'),
};

export type FormatFields = z.infer<z.ZodObject<typeof formatFields>>;

type Build = (path: string) => Expression;

/** A format, and the field that asks for it. */
export interface RequestedFormat {
  readonly path: string;
  readonly expression: Expression;
}

/** Null if the answer is free. @throws DomainError `invalid_request` naming the field, of a schema also the keyword */
export function requestedFormat(fields: FormatFields): RequestedFormat | null {
  const asked = [...responseFormat(fields), ...structured(fields)];
  const [only, second] = asked;
  if (only === undefined) return null;
  const [path, build] = only;
  if (second !== undefined) throw invalid(second[0], `it contradicts '${path}'. Send one of them`);
  return { path, expression: faultsOf(path, () => build(path)) };
}

/** What `build` returns. @throws DomainError `invalid_request` for a ConstraintFault */
export function faultsOf<T>(path: string, build: () => T): T {
  try {
    return build();
  } catch (thrown) {
    if (thrown instanceof ConstraintFault) throw invalid(path, thrown.message);
    throw thrown;
  }
}

function responseFormat({ response_format: format }: FormatFields): (readonly [string, Build])[] {
  if (format?.type === 'json_object') return [['response_format', jsonObject]];
  if (format?.type !== 'json_schema') return [];
  const { schema: asked } = format.json_schema;
  return [
    ['response_format.json_schema.schema', (path) => (asked === undefined ? jsonObject() : jsonSchema(asked, path))],
  ];
}

function structured(fields: FormatFields): (readonly [string, Build])[] {
  const { json, json_object: object, regex, choice, grammar } = fields.structured_outputs ?? {};
  return [
    ...given('structured_outputs.json', json, schemaOrText),
    ...given('structured_outputs.json_object', object === true ? object : undefined, jsonObject),
    ...given('structured_outputs.regex', regex, regularExpression),
    ...given('structured_outputs.choice', choice, oneOf),
    ...given('structured_outputs.grammar', grammar, gbnfGrammar),
    ...given('guided_json', fields.guided_json, schemaOrText),
    ...given('guided_regex', fields.guided_regex, regularExpression),
    ...given('guided_choice', fields.guided_choice, oneOf),
    ...given('guided_grammar', fields.guided_grammar, gbnfGrammar),
  ];
}

function given<T>(
  path: string,
  value: T | null | undefined,
  build: (value: T, path: string) => Expression,
): (readonly [string, Build])[] {
  const isGiven = value !== null && value !== undefined && !(Array.isArray(value) && value.length === 0);
  return !isGiven ? [] : [[path, () => build(value, path)]];
}

function oneOf(texts: readonly string[]): Expression {
  return alternatives(...texts.map(literal));
}

/** vLLM takes a schema as text too. */
function schemaOrText(value: unknown, path: string): Expression {
  if (typeof value !== 'string') return jsonSchema(value, path);
  try {
    const parsed: unknown = JSON.parse(value);
    if (isFields(parsed) || typeof parsed === 'boolean') return jsonSchema(parsed, path);
  } catch {
    // Refused below, as other values of text are.
  }
  throw new ConstraintFault('expected a JSON Schema');
}

function invalid(param: string, what: string): DomainError {
  return new DomainError('invalid_request', `Invalid '${param}': ${what}.`, { param });
}
