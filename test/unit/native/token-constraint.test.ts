// The engine's masks against a plain walk of the constraint, token by token of a small vocabulary.
import assert from 'node:assert/strict';
import test from 'node:test';
import { compileConstraint } from '../../../gateway/constraint/compile-constraint.ts';
import {
  alternatives,
  controlToken,
  type Expression,
  freeTextUntil,
  literal,
  type Rule,
  repeat,
  sequence,
} from '../../../gateway/constraint/expression.ts';
import { regularExpression } from '../../../gateway/constraint/regular-expression.ts';
import { jsonSchema } from '../../../gateway/constraint/schema/json-schema.ts';
import type { Constraint } from '../../../infra/messages/constraint.ts';
import { type TokenConstraint, TokenVocabulary } from '../../../native/token-constraint.ts';
import { ConstraintWalker } from '../../constraint-walker.ts';
import { syntheticVocabulary } from '../../synthetic-vocabulary.ts';

const SIZE = 1_200;
const CONTROL = '<|call|>';
const CALL = SIZE;
const small = syntheticVocabulary(SIZE);
/** A control token more, behind the one that ends. */
const VOCABULARY = {
  vocab: SIZE + 1,
  bytes: [...small.bytes, new TextEncoder().encode(CONTROL)],
  isControl: (id: number) => id >= small.end,
};

const nested: Rule = { name: 'nested', expression: null };
nested.expression = alternatives(
  literal('a'),
  sequence(literal('('), repeat({ kind: 'rule', rule: nested }, 0, null), literal(')')),
);
const ambiguous: Rule = { name: 'ambiguous', expression: null };
ambiguous.expression = alternatives(
  literal('a'),
  literal('ab'),
  sequence(literal('b'), { kind: 'rule', rule: ambiguous }, { kind: 'rule', rule: ambiguous }),
);

const EXPRESSIONS: Readonly<Record<string, Expression>> = {
  'any JSON': jsonSchema(true, 'schema'),
  'an object': jsonSchema(
    {
      type: 'object',
      properties: {
        a: { type: 'integer', maximum: 120 },
        bc: { type: 'string', maxLength: 9 },
        d: { enum: ['x', 'yy', null] },
      },
      required: ['bc'],
    },
    'schema',
  ),
  'a long list': jsonSchema(
    {
      type: 'array',
      items: { anyOf: [{ type: 'boolean' }, { type: 'string', pattern: '^[a-f]+$' }] },
      minItems: 9,
      maxItems: 11,
    },
    'schema',
  ),
  recursion: { kind: 'rule', rule: nested },
  ambiguity: { kind: 'rule', rule: ambiguous },
  'a pattern': regularExpression('(?:[a-z]{2,}[ ,]){3,12}\\p{Lu}.*'),
  'counted parts': sequence(
    literal('<'),
    repeat(alternatives(literal('ab'), regularExpression('[0-9]x?')), 10, 14),
    literal('>'),
  ),
  'free text': freeTextUntil([
    { trigger: 'ab', continuation: sequence(literal('{"'), regularExpression('[a-z]{1,3}'), literal('}')) },
    { trigger: { controlToken: CONTROL }, continuation: sequence(literal('q'), controlToken(CONTROL)) },
  ]),
};

for (const [name, expression] of Object.entries(EXPRESSIONS)) {
  test(`masks as the constraint says: ${name}`, () => {
    const constraint = compileConstraint(expression);
    const masks = new TokenVocabulary(VOCABULARY).compile({
      ...constraint,
      controlTokens: constraint.controlTokens.map(() => CALL),
    });
    for (let seed = 1; seed <= 6; seed += 1) walk(constraint, masks.start([small.end]), seed * 7919);
  });
}

/** Takes random tokens, and compares all that may be taken at each place. */
function walk(constraint: Constraint, state: TokenConstraint, seed: number): void {
  let walker = new ConstraintWalker(constraint);
  for (let place = 0; place < 12; place += 1) {
    const expected = VOCABULARY.bytes.flatMap((_, id) => (follows(walker, id) ? [id] : []));
    assert.deepEqual(allowedBy(state), expected, `place ${place} of seed ${seed}`);
    assert.equal(
      state.isOver,
      expected.every((id) => id === small.end),
    );
    for (const guess of state.forced(1)) assert.ok(expected.includes(guess));
    const id = expected[(Math.imul(seed + place, 0x9e3779b1) >>> 7) % Math.max(1, expected.length)];
    if (id === undefined || id === small.end) return;
    walker = behind(walker, id) ?? walker;
    assert.ok(state.push(id));
  }
}

function follows(walker: ConstraintWalker, id: number): boolean {
  return id === small.end ? walker.mayEnd : behind(walker, id) !== null;
}

function behind(walker: ConstraintWalker, id: number): ConstraintWalker | null {
  const next = walker.clone();
  if (id === CALL) return next.pushControlToken(CONTROL) ? next : null;
  const bytes = VOCABULARY.bytes[id] ?? [];
  return bytes.length > 0 && [...bytes].every((byte) => next.push(byte)) ? next : null;
}

function allowedBy(state: TokenConstraint): number[] {
  const mask = new Uint32Array(2 * Math.ceil(VOCABULARY.vocab / 64));
  assert.ok(state.mask(mask));
  return VOCABULARY.bytes.flatMap((_, id) => ((((mask[id >> 5] ?? 0) >>> (id & 31)) & 1) === 1 ? [id] : []));
}

test('refuses a token that may not follow, and everything after it', () => {
  const constraint = compileConstraint(literal('ab'));
  const state = new TokenVocabulary(VOCABULARY).compile({ ...constraint, controlTokens: [] }).start([small.end]);
  assert.ok(!state.push(0x62) && !state.push(0x61));
  assert.deepEqual(allowedBy(state), []);
});

test('refuses tables that refer to nothing', () => {
  const vocabulary = new TokenVocabulary(VOCABULARY);
  const good = { ...compileConstraint(jsonSchema(true, 'schema')), controlTokens: [] };
  const bad = [
    { ...good, flags: [] },
    { ...good, flags: good.flags.map(() => 4) },
    { ...good, rules: [] },
    { ...good, rules: [[good.flags.length, 0, 0] as const] },
    { ...good, edges: good.edges.slice(1) },
    { ...good, edges: [...good.edges.slice(0, -1), good.flags.length] },
    { ...good, edges: [...good.edges.slice(4), ...good.edges.slice(0, 4)] },
    { ...good, calls: [0, 999, 0] },
    { ...good, tokens: [0, 0, 0] },
  ];
  for (const tables of bad) assert.throws(() => vocabulary.compile(tables), /constraint|rule|state/);
});
