// What the arguments of a request's tools must match. Tools share the types of their parameters, so an automaton for all of them has
// each only once.
import type { DeclaredMember, Expression } from '../constraint/expression.ts';
import { jsonObject, jsonSchema, jsonSchemaIfPossible, jsonValue } from '../constraint/schema/json-schema.ts';
import type { JsonObject, ToolDefinition } from '../conversation/conversation.ts';
import { narrowSchema } from './narrow-schema.ts';

/** `path`: of the tool's schema in the request. @throws DomainError `invalid_request` as jsonSchema does. */
export type ArgumentsOf = (tool: ToolDefinition, path: string) => Expression;

/** Arguments that fit their schemas, for the tools of one request. */
export function fittingArguments(): ArgumentsOf {
  const shared = new Map<string, Expression>();
  return ({ parameters, strict }, path) => {
    const compile = (value: unknown, at: string, otherwise: () => Expression) =>
      strict ? jsonSchema(value, at) : jsonSchemaIfPossible(value, at, otherwise);
    const schema = narrowSchema(parameters);
    const members = membersOf(schema);
    if (members === null) return compile(schema, path, jsonObject);
    const declared = members.map(([key, value]): DeclaredMember => {
      const name = JSON.stringify([strict, withoutNotes(value)]);
      const expression = shared.get(name) ?? compile(value, `${path}.properties.${key.slice(0, 64)}`, jsonValue);
      shared.set(name, expression);
      return {
        key,
        value: expression,
        required: (schema['required'] as readonly string[] | undefined)?.includes(key) ?? false,
      };
    });
    return { kind: 'members', declared, others: [], least: 0, most: null, path };
  };
}

/** As fittingArguments for strict tools, any object for others. */
export const fittingIfStrict: ArgumentsOf = ({ parameters, strict }, path) =>
  strict ? jsonSchema(narrowSchema(parameters), path) : jsonObject();

/** What an object has that consists of its declared properties; their schemas refer to nothing outside. */
const OWN_KEYWORDS: ReadonlySet<string> = new Set([
  'type',
  'properties',
  'required',
  'additionalProperties',
  'title',
  'description',
  '$schema',
]);

/** The properties of such an object; null for any other schema. */
function membersOf(schema: JsonObject): readonly (readonly [string, unknown])[] | null {
  const { type, properties, required = [], additionalProperties: others } = schema;
  const isOwn = Object.keys(schema).every((keyword) => OWN_KEYWORDS.has(keyword));
  if (!isOwn || type !== 'object' || others !== false || typeof properties !== 'object' || properties === null)
    return null;
  if (!Array.isArray(required) || !required.every((name) => Object.hasOwn(properties, String(name)))) return null;
  return JSON.stringify(properties).includes('"$ref"') ? null : Object.entries(properties);
}

const NOTES: ReadonlySet<string> = new Set(['title', 'description', 'default', 'examples']);

/** Schemas that differ only in what they say to readers are the same. A property may have the name of such a keyword. */
function withoutNotes(schema: unknown): unknown {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return schema;
  return Object.fromEntries(Object.entries(schema).filter(([keyword]) => !NOTES.has(keyword)));
}
