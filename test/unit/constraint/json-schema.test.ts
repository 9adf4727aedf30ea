import assert from 'node:assert/strict';
import test from 'node:test';
import { compileConstraint } from '../../../gateway/constraint/compile-constraint.ts';
import { jsonObject, jsonSchema } from '../../../gateway/constraint/schema/json-schema.ts';
import { DomainError } from '../../../infra/errors/domain-error.ts';
import { ConstraintWalker } from '../../constraint-walker.ts';

function accepts(schema: unknown, text: string): boolean {
  const walker = new ConstraintWalker(compileConstraint(jsonSchema(schema, 'schema')));
  return walker.pushText(text) && walker.mayEnd;
}

interface Case {
  readonly schema: unknown;
  readonly yes: readonly string[];
  readonly no: readonly string[];
}

const CASES: readonly Case[] = [
  {
    schema: true,
    yes: ['{"a": [1, null, "x\\u00e9", {"b":-1.5e+3}]}', '[]', '"😀"', '[\n  1,\n  2\n]'],
    no: ['', '[1,]', '"\\ud800"', '01', '[  1]', '"\n"'],
  },
  {
    schema: { type: 'integer', minimum: -12, exclusiveMaximum: 150 },
    yes: ['-12', '0', '149', '99', '-1'],
    no: ['150', '151', '-13', '01', '1.0', '1e1'],
  },
  {
    schema: { type: 'number', minimum: 0.25, maximum: 10.5 },
    yes: ['0.25', '10.5', '10.50', '3', '9.999', '0.3'],
    no: ['0.2499', '10.51', '11', '-1', '0'],
  },
  {
    schema: { type: 'number', exclusiveMinimum: -1, exclusiveMaximum: 0 },
    yes: ['-0.5', '-0.999'],
    no: ['-1', '0', '0.1', '-1.5'],
  },
  { schema: { type: 'integer', multipleOf: 7, minimum: 10 }, yes: ['14', '21', '700'], no: ['7', '15', '-14'] },
  { schema: { type: 'number', multipleOf: 0.25 }, yes: ['0.25', '3.5', '-1.75', '2', '0.50'], no: ['0.3', '0.251'] },
  {
    schema: { type: 'string', minLength: 2, maxLength: 3 },
    yes: ['"ab"', '"😀😀😀"', '"\\u00e9x"'],
    no: ['"a"', '"abcd"', '"\\u00e9"'],
  },
  { schema: { type: 'string', pattern: '^a+"$', minLength: 3 }, yes: ['"aa\\""', '"aaaa\\""'], no: ['"a\\""', '"aa"'] },
  { schema: { enum: ['a', 1, null, { b: [] }] }, yes: ['"a"', '1', 'null', '{"b": []}'], no: ['"b"', '2', '{}'] },
  { schema: { type: 'string', enum: ['a', 1] }, yes: ['"a"'], no: ['1'] },
  {
    schema: {
      type: 'object',
      properties: { a: { type: 'integer' }, b: true, c: { type: 'null' } },
      required: ['b'],
      additionalProperties: false,
    },
    yes: ['{"b":1}', '{"a":1,"b":[]}', '{ "a": 1, "b": {}, "c": null }', '{\n  "b": 2\n}'],
    no: ['{}', '{"a":1}', '{"b":1,"a":1}', '{"b":1,"d":1}', '{"b":1,}', '{"c":null}'],
  },
  {
    schema: {
      properties: { a: { const: 1 } },
      patternProperties: { '^x': { type: 'string' }, y$: { minLength: 2 } },
      additionalProperties: { type: 'boolean' },
    },
    yes: ['{"a":1,"x":"s","q":true}', '{"xy":"ab"}', '{"y":"ab"}', '3', '{}', '{"y":4}'],
    no: ['{"a":2}', '{"x":1}', '{"xy":"a"}', '{"q":"s"}', '{"xy":4}'],
  },
  {
    schema: {
      type: 'object',
      minProperties: 2,
      maxProperties: 2,
      properties: { a: true, b: true, c: true },
      additionalProperties: false,
    },
    yes: ['{"a":1,"c":1}'],
    no: ['{"a":1}', '{"a":1,"b":1,"c":1}'],
  },
  {
    schema: { type: 'object', propertyNames: { pattern: '^[a-z]$' }, maxProperties: 1 },
    yes: ['{"q":1}', '{}'],
    no: ['{"Q":1}', '{"q":1,"r":1}'],
  },
  {
    schema: { type: 'array', prefixItems: [{ type: 'integer' }, { type: 'string' }], items: false, minItems: 1 },
    yes: ['[1]', '[1, "a"]'],
    no: ['[]', '["a"]', '[1,"a",2]'],
  },
  {
    schema: { type: 'array', items: { type: 'integer' }, minItems: 2, maxItems: 20 },
    yes: ['[1,2]', `[${'1,'.repeat(19)}1]`],
    no: ['[1]', `[${'1,'.repeat(20)}1]`],
  },
  {
    schema: { type: 'array', contains: { const: 'x' }, items: { type: 'string' }, maxItems: 3 },
    yes: ['["a","x"]', '["x"]'],
    no: ['["a"]', '[]', '["a","b","c","x"]', '["x",1]'],
  },
  {
    schema: { anyOf: [{ type: 'integer' }, { type: 'string', maxLength: 1 }], maximum: 5 },
    yes: ['3', '"a"'],
    no: ['6', '"ab"'],
  },
  {
    schema: {
      oneOf: [
        { properties: { k: { const: 'a' }, v: { type: 'integer' } }, required: ['k', 'v'] },
        { properties: { k: { const: 'b' }, v: { type: 'string' } }, required: ['k'] },
      ],
      type: 'object',
    },
    yes: ['{"k":"a","v":1}', '{"k":"b","v":"s"}', '{"k": "b"}'],
    no: ['{"k":"a","v":"s"}', '{"k":"c"}'],
  },
  {
    schema: {
      allOf: [{ properties: { a: { minimum: 2 } } }, { properties: { a: { type: 'integer', maximum: 4 }, b: true } }],
      required: ['a'],
      type: 'object',
      additionalProperties: true,
    },
    yes: ['{"a":3}', '{"a":2,"b":1}'],
    no: ['{"a":1}', '{"a":5}', '{"b":1}'],
  },
  {
    schema: {
      $ref: '#/$defs/node',
      $defs: {
        node: {
          type: 'object',
          properties: { value: { type: 'integer' }, next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] } },
          required: ['value', 'next'],
          additionalProperties: false,
        },
      },
    },
    yes: ['{"value":1,"next":null}', '{"value":1,"next":{"value":2,"next":null}}'],
    no: ['{"value":1}', '{"value":1,"next":{}}'],
  },
  {
    schema: { $defs: { t: { $anchor: 'tree', type: 'array', items: { $ref: '#tree' } } }, $ref: '#tree' },
    yes: ['[[],[[]]]'],
    no: ['[1]'],
  },
  {
    schema: { type: 'string', format: 'date' },
    yes: ['"2024-02-29"', '"2023-12-31"', '"2000-02-29"'],
    no: ['"2023-02-29"', '"1900-02-29"', '"2023-13-01"', '"2023-04-31"'],
  },
  {
    schema: { format: 'ipv6' },
    yes: ['"::1"', '"1:2:3:4:5:6:7:8"', '"fe80::1:2"', '"::"', '1'],
    no: ['"1::2::3"', '"12345::"', '"1:2"'],
  },
  {
    schema: {
      type: 'string',
      format: 'email',
      pattern:
        "^(?!\\.)(?!.*\\.\\.)([A-Za-z0-9_'+\\-\\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\\-]*\\.)+[A-Za-z]{2,}$",
    },
    yes: ['"a.b@c.org"'],
    no: ['"a..b@c.org"', '"a@b"'],
  },
];

for (const { schema, yes, no } of CASES) {
  test(`decides ${JSON.stringify(schema).slice(0, 90)}`, () => {
    for (const text of yes) assert.ok(accepts(schema, text), `should match ${text}`);
    for (const text of no) assert.ok(!accepts(schema, text), `should not match ${text}`);
  });
}

test('refuses by keyword and path what it cannot decide', () => {
  const deep = { properties: { a: { items: { not: {} } } } };
  const cases: readonly (readonly [unknown, string, RegExp])[] = [
    [deep, 'schema.properties.a.items.not', /keyword 'not' is not supported/],
    [{ uniqueItems: true }, 'schema.uniqueItems', /uniqueItems/],
    [{ foo: 1 }, 'schema.foo', /unknown/],
    [{ type: 'strin' }, 'schema.type', /expected null, boolean/],
    [{ pattern: '(a)\\1' }, 'schema.pattern', /backreferences/],
    [{ pattern: '(a|b)*a(a|b){20}' }, 'schema.pattern', /too large/],
    [{ format: 'color' }, 'schema.format', /not supported/],
    [{ $ref: '#' }, 'schema.$ref', /refers to itself/],
    [
      { $ref: '#/$defs/a', $defs: { a: { anyOf: [{ $ref: '#/$defs/a' }] } } },
      'schema.$defs.a.anyOf[0].$ref',
      /refers to itself/,
    ],
    [{ $ref: 'http://x/y' }, 'schema.$ref', /another document/],
    [{ $ref: '#/nope' }, 'schema.$ref', /refers to nothing/],
    [{ oneOf: [{ type: 'integer' }, { type: 'number' }] }, 'schema.oneOf', /no value can fit two branches/],
    [{ minLength: -1 }, 'schema.minLength', /whole number/],
    [{ items: 3 }, 'schema.items', /expected a schema/],
    [{ enum: Array.from({ length: 100_000 }, (_, at) => at) }, 'schema.enum', /at most 5000/],
    [{ type: 'object', minProperties: 2 }, 'schema.minProperties', /minProperties/],
  ];
  for (const [schema, param, message] of cases) {
    assert.throws(
      () => compileConstraint(jsonSchema(schema, 'schema')),
      (error) => error instanceof DomainError && error.param === param && message.test(error.message),
      JSON.stringify(schema).slice(0, 80),
    );
  }
});

test('lets any object be written, and nothing else', () => {
  const walker = new ConstraintWalker(compileConstraint(jsonObject()));
  assert.deepEqual(walker.nextBytes(), [0x7b]);
  assert.ok(walker.pushText('{"a":[{}]}') && walker.mayEnd && walker.isOver);
});
