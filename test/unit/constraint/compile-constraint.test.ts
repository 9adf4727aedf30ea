import assert from 'node:assert/strict';
import test from 'node:test';
import { compileConstraint } from '../../../gateway/constraint/compile-constraint.ts';
import {
  alternatives,
  controlToken,
  type Expression,
  freeText,
  freeTextUntil,
  literal,
  optional,
  type Rule,
  repeat,
  sequence,
} from '../../../gateway/constraint/expression.ts';
import { ConstraintWalker } from '../../constraint-walker.ts';

function matches(expression: Expression, text: string): boolean {
  const walker = new ConstraintWalker(compileConstraint(expression));
  return walker.pushText(text) && walker.mayEnd;
}

test('matches sequences, alternatives and repetitions', () => {
  const list = sequence(
    literal('['),
    optional(literal('-')),
    repeat(alternatives(literal('ab'), literal('é')), 1, 3),
    literal(']'),
  );
  for (const text of ['[ab]', '[-ab]', '[éabé]']) assert.ok(matches(list, text), text);
  for (const text of ['[]', '[ab', '[abababab]', '[--ab]', '[b]']) assert.ok(!matches(list, text), text);
});

test('counts long repetitions', () => {
  const counted = sequence(literal('<'), repeat(alternatives(literal('a'), literal('bc')), 20, 1000), literal('>'));
  const accepted = [20, 21, 999, 1000].filter((count) => matches(counted, `<${'bc'.repeat(count)}>`));
  assert.deepEqual(accepted, [20, 21, 999, 1000]);
  assert.ok(!matches(counted, `<${'a'.repeat(19)}>`));
  assert.ok(!matches(counted, `<${'a'.repeat(1001)}>`));
  assert.ok(compileConstraint(counted).flags.length < 20);
});

test('follows rules that contain themselves', () => {
  const rule: Rule = { name: 'nested', expression: null };
  rule.expression = sequence(literal('('), repeat({ kind: 'rule', rule }, 0, null), literal(')'));
  assert.ok(matches({ kind: 'rule', rule }, '(()(()))'));
  assert.ok(!matches({ kind: 'rule', rule }, '(()'));
  assert.ok(!matches({ kind: 'rule', rule }, '()()'));
});

test('refuses rules that lead nowhere', () => {
  const endless: Rule = { name: 'endless', expression: null };
  endless.expression = sequence(literal('('), { kind: 'rule', rule: endless });
  assert.throws(() => compileConstraint({ kind: 'rule', rule: endless }), /nothing matches it/);
  const left: Rule = { name: 'left', expression: null };
  left.expression = alternatives(literal('a'), sequence({ kind: 'rule', rule: left }, literal('b')));
  assert.throws(() => compileConstraint({ kind: 'rule', rule: left }), /contains itself before anything else/);
});

test('leaves a way out of what cannot go on', () => {
  const endless: Rule = { name: 'endless', expression: null };
  endless.expression = sequence(literal('('), { kind: 'rule', rule: endless });
  const walker = new ConstraintWalker(compileConstraint(alternatives(literal('x'), { kind: 'rule', rule: endless })));
  assert.deepEqual(walker.nextBytes(), [0x78]);
});

test('leaves text free until a trigger, and again after what belongs to it', () => {
  const until = freeTextUntil([
    { trigger: '<call>', continuation: literal('1</call>') },
    { trigger: '<calm>', continuation: literal('2') },
  ]);
  for (const text of ['', 'free <cal', 'é<call>1</call> <calm>2 more', '<call<call>1</call>'])
    assert.ok(matches(until, text), text);
  for (const text of ['<call>', '<call>2', '<ca<calm>1']) assert.ok(!matches(until, text), text);
});

test('takes triggers and parts that are control tokens', () => {
  const exit = { trigger: { controlToken: '<|call|>' }, continuation: sequence(literal('x'), controlToken('<|end|>')) };
  const walker = new ConstraintWalker(compileConstraint(freeTextUntil([exit])));
  assert.ok(walker.pushText('<|call|>') && walker.mayEnd);
  assert.ok(walker.pushControlToken('<|other|>') && walker.mayEnd);
  assert.ok(walker.pushControlToken('<|call|>') && !walker.mayEnd);
  assert.deepEqual(walker.nextBytes(), [0x78]);
  assert.ok(walker.pushText('x') && !walker.mayEnd && walker.nextBytes().length === 0);
  assert.ok(walker.pushControlToken('<|end|>') && walker.mayEnd);
});

test('begins with a part before free text', () => {
  assert.ok(matches(sequence(literal('now '), freeText()), 'now anything'));
  assert.ok(!matches(sequence(literal('now '), freeText()), 'not'));
});
