import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { compileConstraint } from '../../../gateway/constraint/compile-constraint.ts';
import { regularExpression } from '../../../gateway/constraint/regular-expression.ts';
import { ConstraintWalker } from '../../constraint-walker.ts';

function matches(source: string, text: string): boolean {
  const walker = new ConstraintWalker(compileConstraint(regularExpression(source)));
  return walker.pushText(text) && walker.mayEnd;
}

const SOURCES = [
  'a{2,4}b?',
  '(?:foo|ba[rz])+',
  '[^a-y]x|\\d{3}-\\w+',
  '\\p{Lu}\\p{Script=Greek}*',
  '^\\u{1F600}|[\\u0430-\\u044f]$',
  '.\\s\\S',
  '[-a\\]]*|\\x41\\cA',
  '\\ud83d\\ude00(?<name>é|ü){1,}',
  '',
];

for (const source of SOURCES) {
  test(`matches what V8 matches: /${source}/u`, () => {
    const oracle = new RegExp(`^(?:${source})$`, 'u');
    const piece = fc.constantFrom(
      'a',
      'b',
      'foo',
      'bar',
      'z',
      'x',
      '1',
      '-',
      'Σ',
      'λ',
      '😀',
      'ж',
      'é',
      '\n',
      ' ',
      'A',
      '\u0001',
      ']',
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 6 }).map((parts) => parts.join('')),
        (text) => {
          assert.equal(matches(source, text), oracle.test(text), JSON.stringify(text));
        },
      ),
      { seed: 170, numRuns: 150 },
    );
  });
}

test('refuses what no finite automaton decides, or what needs too much', () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    ['(a)\\1', /backreferences/],
    ['a(?=b)c', /lookahead/],
    ['(?<!a)b', /lookbehind/],
    ['\\bfoo', /word boundaries/],
    ['(a|b)*a(a|b){20}', /too large/],
    ['((a{100}){100}){100}', /too large/],
    ['('.repeat(10_000), /nested deeper/],
    ['a'.repeat(50_000), /longer than/],
    ['a{3,2}', /out of order/],
    ['a$b', /'\$' is supported only at the end/],
    ['*a', /nothing to repeat/],
    ['\\p{Nope}', /unknown property/],
  ];
  for (const [source, reason] of refused) {
    assert.throws(() => regularExpression(source), reason);
  }
});
