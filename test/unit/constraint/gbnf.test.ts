import assert from 'node:assert/strict';
import test from 'node:test';
import { compileConstraint } from '../../../gateway/constraint/compile-constraint.ts';
import { gbnfGrammar } from '../../../gateway/constraint/gbnf.ts';
import { ConstraintWalker } from '../../constraint-walker.ts';

function matches(source: string, text: string): boolean {
  const walker = new ConstraintWalker(compileConstraint(gbnfGrammar(source)));
  return walker.pushText(text) && walker.mayEnd;
}

const ARITHMETIC = `
# sums of products
root ::= sum
sum  ::= product ( [+-] product )*
product ::= factor
  ("*" factor)*   # goes on in the next line
factor ::= [0-9]{1,3} | "(" sum ")"
`;

test('follows rules, groups, classes and repetitions', () => {
  for (const text of ['1', '12+3*(4-5)', '((7))*999']) assert.ok(matches(ARITHMETIC, text), text);
  for (const text of ['', '1+', '1234', '(1', '1 + 2']) assert.ok(!matches(ARITHMETIC, text), text);
});

test('reads escapes and sets of characters', () => {
  const source = 'root ::= "\\"\\\\\\n\\x41" [^a-c\\]\\u00e9] "é😀"? . [-x] [\\U0001F600]';
  assert.ok(matches(source, '"\\\nAzé😀!-😀'));
  assert.ok(matches(source, '"\\\nAé?x😀') === false);
});

test('says what is wrong, and where', () => {
  const faults: readonly (readonly [string, RegExp])[] = [
    ['', /no rule 'root'/],
    ['root ::= missing', /rule 'missing' is not defined/],
    ['root ::= "a"\nroot ::= "b"', /line 2: rule 'root' is defined twice/],
    ['root ::= "a', /line 1: it ends too early/],
    ['root ::= ("a"', /expected '\)'/],
    ['root ::= )', /expected/],
    ['root ::= [b-a]', /out of order/],
    ['root ::= "a"{3,2}', /out of order/],
    ['root ::= root "a" | "b"', /contains itself/],
    ['root ::= "a" root', /nothing matches it/],
    [`root ::= ${'('.repeat(5000)}`, /nested deeper/],
    ['root ::= "a"\n\n{', /line 3|expected/],
  ];
  for (const [source, reason] of faults)
    assert.throws(() => compileConstraint(gbnfGrammar(source)), reason, source.slice(0, 30));
});
