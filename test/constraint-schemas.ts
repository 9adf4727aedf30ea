// Schemas for random walks: hand-made ones for each keyword, and generated ones together with instances that are valid by
// construction. Objects have their keys in the order of the schema, as constraints have them.
import fc from 'fast-check';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type Schema = boolean | { readonly [keyword: string]: unknown };

const text = (keywords: object): Schema => ({ type: 'string', ...keywords });
const integer = (keywords: object): Schema => ({ type: 'integer', ...keywords });
const list = (keywords: object): Schema => ({ type: 'array', ...keywords });
const object = (properties: object, keywords: object = {}): Schema => ({
  type: 'object',
  properties,
  additionalProperties: false,
  ...keywords,
});

const FORMATS = [
  'date',
  'time',
  'date-time',
  'duration',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'uri',
  'uuid',
  'json-pointer',
];
const PATTERNS = [
  '^[a-z]{2,6}$',
  'x',
  '^(foo|bar)+$',
  '^\\p{Lu}\\w*$',
  '^[^"\\\\]*"?$',
  '^\\d{3}-\\d{4}$',
  '^(?!ab)[ab]{3}$',
  '[\\u00e0-\\u00ff]$',
  '^\\s?\\S+$',
  '^$',
  'é|😀',
];

const BOUNDS: readonly object[] = [
  { minimum: -5, maximum: 5 },
  { minimum: 98, exclusiveMaximum: 102 },
  { exclusiveMinimum: 0 },
  { maximum: -1 },
  { minimum: 999, maximum: 100_001 },
  { multipleOf: 7 },
  { multipleOf: 12, minimum: 100 },
  { minimum: -9_007_199_254_740_991, maximum: 9_007_199_254_740_991 },
];

const TREE = {
  $ref: '#/$defs/tree',
  $defs: {
    tree: object(
      { value: integer({ minimum: 0, maximum: 9 }), children: list({ items: { $ref: '#/$defs/tree' }, maxItems: 2 }) },
      { required: ['value'] },
    ),
  },
};

export const HAND_MADE: readonly Schema[] = [
  true,
  {},
  { type: 'object' },
  { type: 'null' },
  { type: ['boolean', 'null'] },
  { type: 'number' },
  ...BOUNDS.map(integer),
  ...BOUNDS.map((keywords) => ({ type: 'number', ...keywords })),
  { type: 'number', minimum: 0.1, maximum: 0.75 },
  { type: 'number', exclusiveMinimum: -1.5, exclusiveMaximum: 2 },
  { type: 'number', multipleOf: 0.25, minimum: 1, maximum: 40 },
  { type: 'number', multipleOf: 0.01 },
  ...FORMATS.map((format) => text({ format })),
  ...PATTERNS.map((pattern) => text({ pattern })),
  text({ minLength: 3 }),
  text({ maxLength: 2 }),
  text({ minLength: 4, maxLength: 9 }),
  text({ minLength: 90, maxLength: 120 }),
  text({ pattern: '^[a-z]+$', minLength: 2, maxLength: 5 }),
  text({ pattern: '^(ab)*$', minLength: 3, maxLength: 9 }),
  { enum: ['red', 'green', 3, null, true, { a: [1] }, 'é"\\\n'] },
  { const: { k: 'v', list: [1, 2] } },
  { type: 'string', enum: ['a', 1, 'ab'] },
  list({}),
  list({ items: integer({}), minItems: 2, maxItems: 3 }),
  list({ items: text({ maxLength: 3 }), minItems: 12, maxItems: 20 }),
  list({ prefixItems: [integer({}), text({ maxLength: 4 })], items: false, minItems: 2 }),
  list({ prefixItems: [{ const: 1 }], items: { type: 'boolean' }, maxItems: 4 }),
  list({ contains: { const: 7 }, items: integer({ maximum: 9, minimum: 0 }), maxItems: 5 }),
  list({ contains: { type: 'null' }, minContains: 2 }),
  object({ a: integer({}), b: text({ maxLength: 5 }), c: { type: 'null' } }),
  object({ a: integer({}), b: text({ maxLength: 5 }), c: { type: 'null' } }, { required: ['b'] }),
  object({ a: true, ab: true, abc: true }, { minProperties: 1, maxProperties: 2 }),
  object({ ä: { type: 'boolean' }, 'q"\\': { type: 'null' } }, { required: ['ä', 'q"\\'] }),
  { type: 'object', additionalProperties: integer({}), maxProperties: 3 },
  { type: 'object', additionalProperties: text({ maxLength: 3 }), minProperties: 1 },
  { type: 'object', properties: { id: integer({}) }, required: ['id'] },
  {
    type: 'object',
    patternProperties: { '^x-': text({ maxLength: 4 }), '\\d$': integer({}) },
    additionalProperties: false,
  },
  { type: 'object', patternProperties: { '^x': { minimum: 3 } }, additionalProperties: { type: 'integer' } },
  {
    type: 'object',
    propertyNames: { pattern: '^[a-z]{1,3}$' },
    additionalProperties: { type: 'boolean' },
    maxProperties: 4,
  },
  { type: 'object', required: ['z'], maxProperties: 2 },
  { anyOf: [integer({}), text({ maxLength: 3 })] },
  {
    anyOf: [
      object({ a: integer({}) }, { required: ['a'] }),
      object({ a: text({}), b: integer({}) }, { required: ['a', 'b'] }),
    ],
  },
  {
    oneOf: [
      object({ kind: { const: 'a' }, x: integer({}) }, { required: ['kind', 'x'] }),
      object({ kind: { const: 'b' } }, { required: ['kind'] }),
    ],
  },
  { oneOf: [{ type: 'integer', maximum: 3 }, { type: 'integer', minimum: 10 }, { type: 'string' }] },
  { allOf: [{ type: 'integer' }, { minimum: 4 }, { maximum: 12 }, { multipleOf: 3 }] },
  {
    allOf: [
      { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] },
      { properties: { a: { maximum: 3 }, b: { type: 'null' } }, additionalProperties: false, required: ['b'] },
    ],
  },
  { allOf: [text({ pattern: '^a' }), { pattern: 'b$' }], maxLength: 6 },
  TREE,
  { type: 'array', items: { $ref: '#' }, maxItems: 2 },
  {
    $defs: { name: { $anchor: 'name', type: 'string', maxLength: 4 } },
    type: 'object',
    properties: { a: { $ref: '#name' }, b: { $ref: '#/$defs/name', minLength: 2 } },
    required: ['a', 'b'],
    additionalProperties: false,
  },
  {
    $ref: '#/$defs/expression',
    $defs: {
      expression: {
        anyOf: [
          integer({ minimum: 0, maximum: 99 }),
          list({
            prefixItems: [{ enum: ['+', '*'] }, { $ref: '#/$defs/expression' }, { $ref: '#/$defs/expression' }],
            items: false,
            minItems: 3,
          }),
        ],
      },
    },
  },
];

/** A schema, and instances that it allows. */
export interface Sample {
  readonly schema: Schema;
  readonly instance: fc.Arbitrary<Json>;
}

const ordered = (low: number, high: number) =>
  fc
    .tuple(fc.integer({ min: low, max: high }), fc.integer({ min: low, max: high }))
    .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);

/** Bounded numbers are written without exponents. */
const plain = (value: number) => !String(value).includes('e');

const scalar: fc.Arbitrary<Sample> = fc.oneof(
  ordered(-1000, 1000).map(([min, max]) => ({
    schema: integer({ minimum: min, maximum: max }),
    instance: fc.integer({ min, max }),
  })),
  fc.constant({ schema: integer({}), instance: fc.integer() }),
  ordered(-50, 50).map(([min, max]) => ({
    schema: { type: 'number', minimum: min, maximum: max + 0.5 },
    instance: fc.double({ min, max: max + 0.5, noNaN: true }).filter(plain),
  })),
  fc.constant({
    schema: { type: 'number' },
    instance: fc
      .double({ min: -1e300, max: 1e300, noNaN: true })
      .filter((value) => value === 0 || Math.abs(value) > 1e-300),
  }),
  ordered(0, 12).map(([minLength, maxLength]) => ({
    schema: text({ minLength, maxLength }),
    instance: fc.string({ minLength, maxLength, unit: 'binary' }),
  })),
  fc.constant({ schema: text({}), instance: fc.string({ unit: 'binary' }) }),
  fc
    .constantFrom('^[a-f]{2,5}-\\d+$', '^(?:ab|c)*d$', '^[A-Z][^x]?.$')
    .map((pattern) => ({ schema: text({ pattern }), instance: fc.stringMatching(new RegExp(pattern, 'u')) })),
  fc.constant({ schema: text({ format: 'uuid' }), instance: fc.uuid() }),
  fc.constant({ schema: text({ format: 'ipv4' }), instance: fc.ipV4() }),
  fc.constant({
    schema: text({ format: 'date-time' }),
    instance: fc.date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true }).map((date) => date.toISOString()),
  }),
  fc
    .array(fc.oneof(fc.string(), fc.integer(), fc.boolean()), { minLength: 1, maxLength: 4 })
    .map((values) => ({ schema: { enum: [...new Set(values)] }, instance: fc.constantFrom(...values) })),
  fc.constant({ schema: { type: 'boolean' }, instance: fc.boolean() }),
  fc.constant({ schema: { type: 'null' }, instance: fc.constant(null) }),
);

/** None that JavaScript would move to the front of an object, as it does with numbers. */
const KEYS = ['a', 'ab', 'id', 'na me', 'ü', 'x"y', 'list', '-0'];

/** Schemas of up to three levels. */
export function samples(depth = 3): fc.Arbitrary<Sample> {
  if (depth === 0) return scalar;
  const inner = samples(depth - 1);
  const lists = fc.tuple(inner, ordered(0, 5)).map(([item, [minItems, maxItems]]) => ({
    schema: list({ items: item.schema, minItems, maxItems }),
    instance: fc.array(item.instance, { minLength: minItems, maxLength: maxItems }) as fc.Arbitrary<Json>,
  }));
  const tuples = fc.array(inner, { minLength: 1, maxLength: 3 }).map((parts) => ({
    schema: list({ prefixItems: parts.map(({ schema }) => schema), items: false, minItems: parts.length }),
    instance: fc.tuple(...parts.map(({ instance }) => instance)) as fc.Arbitrary<Json>,
  }));
  const unions = fc
    .tuple(inner, inner)
    .map(([a, b]) => ({ schema: { anyOf: [a.schema, b.schema] }, instance: fc.oneof(a.instance, b.instance) }));
  return fc.oneof({ weight: 2, arbitrary: scalar }, lists, tuples, unions, {
    weight: 3,
    arbitrary: fc
      .tuple(fc.subarray(KEYS, { minLength: 1, maxLength: 4 }), fc.infiniteStream(inner), fc.nat(15), fc.boolean())
      .map(objectSample),
  });
}

function objectSample([keys, inner, required, open]: [string[], Iterator<Sample>, number, boolean]): Sample {
  const members = keys.map((key, at) => ({
    key,
    sample: inner.next().value as Sample,
    required: ((required >> at) & 1) === 1,
  }));
  const properties = Object.fromEntries(members.map(({ key, sample }) => [key, sample.schema]));
  const needed = members.filter((member) => member.required).map(({ key }) => key);
  const fields = members.map(({ key, sample, required: isRequired }) =>
    (isRequired ? sample.instance : fc.option(sample.instance, { nil: undefined })).map(
      (value) => [key, value] as const,
    ),
  );
  const schema = object(properties, { required: needed, additionalProperties: open ? { type: 'integer' } : false });
  const others = fc.dictionary(
    fc.string().filter((key) => !keys.includes(key) && key !== '__proto__'),
    fc.integer(),
    { maxKeys: open ? 2 : 0 },
  );
  const instance = fc
    .tuple(fc.tuple(...fields), others)
    .map(([own, more]) => [...own.filter(([, value]) => value !== undefined), ...Object.entries(more)]);
  return {
    schema,
    instance: instance.map((entries) => new Members(entries as (readonly [string, Json])[]) as unknown as Json),
  };
}

/** An object that is written with its keys in this order. */
class Members {
  readonly entries: readonly (readonly [string, Json])[];

  constructor(entries: readonly (readonly [string, Json])[]) {
    this.entries = entries;
  }
}

/** JSON text as JSON.stringify writes it, but for the order of keys. */
export function writeJson(value: Json): string {
  if (value instanceof Members) {
    return `{${value.entries.map(([key, inner]) => `${JSON.stringify(key)}:${writeJson(inner)}`).join(',')}}`;
  }
  if (Array.isArray(value)) return `[${value.map(writeJson).join(',')}]`;
  return JSON.stringify(value);
}
