// What clients may ask answers to look like: which constraint the worker gets, and what is refused by name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConstraintWalker } from '../../constraint-walker.ts';
import { CHAT, TEXT } from '../../gateway-parts/bad-requests.ts';
import { chatBody, createScriptedGateway } from '../../gateway-parts/scripted-gateway.ts';

const textBody = (fields: object) => ({ model: 'tiny', prompt: 'Hi', max_tokens: 5, ...fields });

interface Case {
  readonly fields: object;
  readonly yes: string;
  readonly no: string;
}

const schema = { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'], additionalProperties: false };
const FORMATS: readonly Case[] = [
  { fields: { response_format: { type: 'json_object' } }, yes: '{"b": [1]}', no: '[1]' },
  {
    fields: { response_format: { type: 'json_schema', json_schema: { name: 'a', schema, strict: true } } },
    yes: '{"a": 1}',
    no: '{"b": 1}',
  },
  { fields: { response_format: { type: 'json_schema', json_schema: { name: 'a' } } }, yes: '{}', no: '1' },
  { fields: { structured_outputs: { json: schema } }, yes: '{"a":2}', no: '{}' },
  { fields: { structured_outputs: { json: JSON.stringify(schema), regex: null } }, yes: '{"a":2}', no: '{}' },
  { fields: { structured_outputs: { json_object: true } }, yes: '{}', no: '1' },
  { fields: { structured_outputs: { regex: 'a{2}' } }, yes: 'aa', no: 'aaa' },
  { fields: { structured_outputs: { choice: ['yes', 'no'] } }, yes: 'no', no: 'nope' },
  { fields: { structured_outputs: { grammar: 'root ::= "x" root?' } }, yes: 'xx', no: 'y' },
  { fields: { guided_json: schema }, yes: '{"a":2}', no: '{}' },
  { fields: { guided_regex: '[0-9]' }, yes: '1', no: '11' },
  { fields: { guided_choice: ['a'] }, yes: 'a', no: 'b' },
  { fields: { guided_grammar: 'root ::= [ab]' }, yes: 'b', no: 'c' },
];

for (const { fields, yes, no } of FORMATS) {
  test(`gives workers the constraint of ${JSON.stringify(fields).slice(0, 80)}`, async () => {
    for (const [path, body] of [
      [CHAT, chatBody(fields)],
      [TEXT, textBody(fields)],
    ] as const) {
      const gateway = await createScriptedGateway();
      assert.equal((await gateway.post(path, body)).status, 200);
      const constraint = gateway.worker.requests[0]?.constraint;
      assert.ok(constraint !== null && constraint !== undefined);
      for (const [text, expected] of [
        [yes, true],
        [no, false],
      ] as const) {
        const walker = new ConstraintWalker(constraint);
        assert.equal(walker.pushText(text) && walker.mayEnd, expected, text);
      }
    }
  });
}

const FAULTS: readonly (readonly [object, string, RegExp])[] = [
  [{ response_format: { type: 'xml' } }, 'response_format.type', /./],
  [
    {
      response_format: { type: 'json_schema', json_schema: { name: 'a', schema: { properties: { b: { not: {} } } } } },
    },
    'response_format.json_schema.schema.properties.b.not',
    /keyword 'not' is not supported/,
  ],
  [
    {
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'a', schema: { allOf: [{ type: 'string' }, { type: 'null' }] } },
      },
    },
    'response_format.json_schema.schema',
    /nothing matches it/,
  ],
  [{ structured_outputs: { regex: '(a)\\1' } }, 'structured_outputs.regex', /backreferences/],
  [{ structured_outputs: { grammar: 'root ::= (' } }, 'structured_outputs.grammar', /line 1/],
  [{ structured_outputs: { json: '{' } }, 'structured_outputs.json', /expected a JSON Schema/],
  [{ structured_outputs: { shape: 1 } }, 'structured_outputs.shape', /Unrecognized/],
  [{ guided_regex: 'a', response_format: { type: 'json_object' } }, 'guided_regex', /contradicts 'response_format'/],
];

for (const [fields, param, message] of FAULTS) {
  test(`refuses ${JSON.stringify(fields).slice(0, 80)} by name`, async () => {
    for (const [path, body] of [
      [CHAT, chatBody(fields)],
      [TEXT, textBody(fields)],
    ] as const) {
      const gateway = await createScriptedGateway();
      const response = await gateway.post(path, body);
      const { error } = (await response.json()) as { error: { param: string; message: string } };
      assert.deepEqual([response.status, error.param], [400, param]);
      assert.match(error.message, message);
    }
  });
}
