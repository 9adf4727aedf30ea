// The schema of a tool's arguments -> a narrower one that is cheap to enforce and says what callers mean: objects without members that
// are not declared, integers that numbers of JavaScript can hold. Whatever fits it fits the schema. Pure.
import type { JsonObject } from '../conversation/conversation.ts';

/** With these, an object may need members that its own `properties` do not name. */
const OPENING = [
  'additionalProperties',
  'patternProperties',
  'propertyNames',
  'minProperties',
  'allOf',
  'anyOf',
  'oneOf',
  '$ref',
];

/** Keywords whose values are schemas, lists of them, or schemas by name. */
const SCHEMAS = ['items', 'additionalProperties'];
const SCHEMA_LISTS = ['anyOf', 'oneOf', 'prefixItems'];
const SCHEMA_MAPS = ['properties', '$defs', 'definitions'];

/** `allOf` joins objects that each name a part of the members: then nothing is narrowed. */
export function narrowSchema(schema: JsonObject): JsonObject {
  return JSON.stringify(schema).includes('"allOf"') ? schema : (narrow(schema) as JsonObject);
}

function narrow(schema: unknown): unknown {
  if (!isObject(schema)) return schema;
  const below = Object.entries(schema).map(([keyword, value]) => [keyword, narrowBelow(keyword, value)]);
  const narrowed = Object.fromEntries(below) as JsonObject;
  if (isPlainInteger(schema))
    return { ...narrowed, minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER };
  return isClosable(schema) ? { ...narrowed, additionalProperties: false } : narrowed;
}

function narrowBelow(keyword: string, value: unknown): unknown {
  if (SCHEMAS.includes(keyword)) return narrow(value);
  if (SCHEMA_LISTS.includes(keyword) && Array.isArray(value)) return value.map(narrow);
  if (!SCHEMA_MAPS.includes(keyword) || !isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, schema]) => [name, narrow(schema)]));
}

function isClosable(schema: JsonObject): boolean {
  const { properties } = schema;
  return isObject(properties) && OPENING.every((keyword) => schema[keyword] === undefined);
}

/** Without bounds, `1e3` and the like are integers as well. */
function isPlainInteger({
  type,
  enum: values,
  const: value,
  minimum,
  maximum,
  exclusiveMinimum,
  exclusiveMaximum,
  multipleOf,
}: JsonObject) {
  const limits = [values, value, minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf];
  return type === 'integer' && limits.every((limit) => limit === undefined);
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
