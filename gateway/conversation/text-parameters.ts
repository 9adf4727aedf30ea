// Which parameters of a tool have text as their value, by its JSON Schema. Formats that write values without quotes need it: `007` is
// text for one parameter and a number for another. Pure.
import type { JsonObject } from './conversation.ts';

/** Names of the properties whose values are strings. */
export function textParametersOf({ properties }: JsonObject): readonly string[] {
  if (!isObject(properties)) return [];
  return Object.entries(properties).flatMap(([name, schema]) => (isObject(schema) && isText(schema) ? [name] : []));
}

function isText({ type, enum: values, const: value, anyOf, oneOf }: JsonObject): boolean {
  if (type !== undefined) return [type].flat().includes('string');
  if (value !== undefined) return typeof value === 'string';
  if (Array.isArray(values)) return values.every((each) => typeof each === 'string' || each === null);
  const choices: unknown = anyOf ?? oneOf;
  return Array.isArray(choices) && choices.some((choice) => isObject(choice) && isText(choice));
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
