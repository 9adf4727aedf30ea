// Whether a value that stands in the schema, in `enum` or `const`, has a shape.
import { acceptsText } from '../text-automaton.ts';
import { isFields, sameJson } from './read-keywords.ts';
import {
  type ArrayShape,
  type Conjunction,
  type Json,
  type ObjectShape,
  propertySchemas,
  type Shape,
  type ShapeSource,
} from './shapes.ts';

/** Values are as deep as the schema at most, whose depth the reader of bodies limits. */
export function matchesShape(shape: Shape, value: Json, source: ShapeSource): boolean {
  switch (shape.kind) {
    case 'literal':
      return sameJson(shape.value, value);
    case 'null':
      return value === null;
    case 'boolean':
      return typeof value === 'boolean';
    case 'number':
      return typeof value === 'number' && matchesNumber(shape, value);
    case 'string':
      return typeof value === 'string' && matchesString(shape, value);
    case 'array':
      return Array.isArray(value) && matchesArray(shape, value, source);
    case 'object':
      return isFields(value) && matchesObject(shape, value as Readonly<Record<string, Json>>, source);
  }
}

function matchesAny(conjunction: Conjunction, value: Json, source: ShapeSource): boolean {
  return source.shapesOf(conjunction).some((shape) => matchesShape(shape, value, source));
}

function matchesNumber(
  { integer, least, most, multiples }: Extract<Shape, { kind: 'number' }>,
  value: number,
): boolean {
  if (value < least || value > most || (integer && !Number.isInteger(value))) return false;
  return multiples.every((multiple) => Math.abs(value / multiple - Math.round(value / multiple)) < 1e-9);
}

function matchesString({ least, most, patterns }: Extract<Shape, { kind: 'string' }>, value: string): boolean {
  const { length } = Array.from(value);
  return isWithin(length, { least, most }) && patterns.every(({ automaton }) => acceptsText(automaton, value));
}

function isWithin(count: number, { least, most }: { readonly least: number; readonly most: number | null }): boolean {
  return count >= least && (most === null || count <= most);
}

function matchesArray(shape: ArrayShape, value: readonly Json[], source: ShapeSource): boolean {
  const { prefix, items, contains } = shape;
  if (!isWithin(value.length, shape)) return false;
  if (!value.every((item, at) => matchesAny(prefix[at] ?? items, item, source))) return false;
  return contains.every(({ item, least }) => value.filter((each) => matchesAny(item, each, source)).length >= least);
}

function matchesObject(shape: ObjectShape, value: Readonly<Record<string, Json>>, source: ShapeSource): boolean {
  const keys = Object.keys(value);
  if (!isWithin(keys.length, shape) || !shape.required.every((name) => Object.hasOwn(value, name))) return false;
  if (!keys.every((key) => shape.names.every((names) => acceptsText(names, key)))) return false;
  return keys.every((key) => matchesAny(propertySchemas(shape.rules, key), value[key] ?? null, source));
}
