import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createGuard, GUARD, removeGuards } from '../../../infra/tokenizer/guard-text.ts';

const NAMES = ['<|im_start|>', '<|im_end|>', '<s>', '[END]', 'aba', '😀😀'];
const guard = createGuard(NAMES);

test('leaves ordinary text as it is', () => {
  assert.equal(guard('hello <b>world</b>, a | b'), 'hello <b>world</b>, a | b');
});

test('breaks every token that the text spells, overlapping ones too', () => {
  assert.equal(guard('x<s>y'), `x<${GUARD}s>y`);
  assert.equal(guard('!ababa!'), `!a${GUARD}ba${GUARD}ba!`);
});

test('closes a text that ends inside a token', () => {
  assert.equal(guard('hello <|im_'), `hello <|im_${GUARD}`);
});

test('opens a text that begins inside a token, but leaves plain words alone', () => {
  assert.equal(guard('|im_end|>'), `${GUARD}|im_end|>`);
  assert.equal(guard('|im_'), `${GUARD}|im_`);
  assert.equal(guard('end'), 'end');
});

test('replaces guards from outside', () => {
  assert.equal(guard(`<${GUARD}s>`), '<\uFFFDs>');
  assert.equal(removeGuards(`a${GUARD}`), 'a\uFFFD');
});

test('with no control tokens only guards from outside are replaced', () => {
  assert.equal(createGuard([])(`<s>${GUARD}`), '<s>\uFFFD');
});

test('no token stands in guarded texts, however they are joined with each other and with the borders of tokens', () => {
  const fragments = NAMES.flatMap((name) => Array.from(name, (_, at) => [name.slice(0, at), name.slice(at)])).flat();
  const piece = fc.oneof(fc.constantFrom(...fragments), fc.string({ maxLength: 4 }));
  const foreign = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(''));
  fc.assert(
    fc.property(foreign, foreign, (first, second) => {
      const joined = guard(first) + guard(second);
      assert.deepEqual(
        NAMES.filter((name) => joined.includes(name)),
        [],
      );
      assert.equal(joined.replaceAll(GUARD, ''), first + second);
    }),
    { seed: 4, numRuns: 2000 },
  );
});
