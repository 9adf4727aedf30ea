// The keywords of one schema, checked: known names, values of the right kind. A keyword is never ignored silently.
import { KEYWORDS } from './keywords.ts';
import { MalformedSchema, SchemaFault, within } from './schema-fault.ts';
import type { Json } from './shapes.ts';

export type Fields = Readonly<Record<string, unknown>>;

const TREATMENTS = new Map(KEYWORDS.map((keyword) => [keyword.name, keyword]));
const DIALECTS = /^https?:\/\/json-schema\.org\/(?:draft-0[67]|draft\/2019-09|draft\/2020-12)\/schema#?$/;

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @throws SchemaFault naming the keyword. */
export function checkKeywords(schema: Fields, path: string): void {
  for (const [name, value] of Object.entries(schema)) {
    const keyword = TREATMENTS.get(name);
    const at = within(path, name);
    if (keyword === undefined) throw new SchemaFault(at, `keyword '${name.slice(0, 64)}' is unknown`);
    if (name === '$schema' && !(typeof value === 'string' && DIALECTS.test(value))) {
      throw new SchemaFault(at, 'only drafts 6, 7, 2019-09 and 2020-12 of JSON Schema are supported');
    }
    if (keyword.treatment !== 'refused' || (name === 'uniqueItems' && value === false)) continue;
    throw new SchemaFault(at, `keyword '${name}' is not supported: ${keyword.note}`);
  }
}

/** A whole number of 0 or more. */
export function countAt(schema: Fields, name: string, path: string): number | null {
  const value = schema[name];
  if (value === undefined) return null;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new MalformedSchema(within(path, name), 'expected a whole number of 0 or more');
}

export function numberAt(schema: Fields, name: string, path: string): number | null {
  const value = schema[name];
  if (value === undefined) return null;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new MalformedSchema(within(path, name), 'expected a number');
}

export function textAt(schema: Fields, name: string, path: string): string | null {
  const value = schema[name];
  if (value === undefined) return null;
  if (typeof value === 'string' && value.isWellFormed()) return value;
  throw new MalformedSchema(within(path, name), 'expected text');
}

export function fieldsAt(schema: Fields, name: string, path: string): readonly (readonly [string, unknown])[] {
  const value = schema[name];
  if (value === undefined) return [];
  if (!isFields(value)) throw new MalformedSchema(within(path, name), 'expected an object');
  for (const key of Object.keys(value))
    if (!key.isWellFormed()) throw new MalformedSchema(within(path, name), 'expected Unicode text as keys');
  return Object.entries(value);
}

export function listAt(schema: Fields, name: string, path: string): readonly unknown[] | null {
  const value = schema[name];
  if (value === undefined) return null;
  if (Array.isArray(value)) return value;
  throw new MalformedSchema(within(path, name), 'expected a list');
}

const TYPES = ['null', 'boolean', 'integer', 'number', 'string', 'array', 'object'] as const;
export type TypeName = (typeof TYPES)[number];

/** Types that `type` allows; null without it. */
export function typesAt(schema: Fields, path: string): readonly TypeName[] | null {
  const { type } = schema;
  if (type === undefined) return null;
  const names = Array.isArray(type) ? type : [type];
  const isType = (name: unknown): name is TypeName => TYPES.some((known) => known === name);
  if (names.length > 0 && names.every(isType)) return names;
  throw new MalformedSchema(within(path, 'type'), `expected ${TYPES.join(', ')} or a list of them`);
}

const MOST_VALUES = 5_000;

/** Values of `enum` and `const`; null without either. */
export function valuesAt(schema: Fields, path: string): readonly Json[] | null {
  const listed = listAt(schema, 'enum', path);
  if (listed !== null && listed.length > MOST_VALUES) {
    throw new SchemaFault(within(path, 'enum'), `expected at most ${MOST_VALUES} values`);
  }
  if (!('const' in schema)) return listed as readonly Json[] | null;
  const value = schema['const'] as Json;
  return listed === null || listed.some((each) => sameJson(each as Json, value)) ? [value] : [];
}

/** JSON Schema's equality: of values, whatever the order of an object's keys. */
export function sameJson(a: Json, b: Json): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: Json): string {
  return JSON.stringify(value, (_, inner: Json) =>
    isFields(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([left], [right]) => (left < right ? -1 : 1)))
      : inner,
  );
}
