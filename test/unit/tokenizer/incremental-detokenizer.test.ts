// The pieces are the decoded whole, and no piece holds half a character: for texts, for arbitrary ids, for both kinds of
// tokenizer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createTokenizer } from '../../../infra/tokenizer/create-tokenizer.ts';
import { IncrementalDetokenizer } from '../../../infra/tokenizer/incremental-detokenizer.ts';
import type { Tokenizer } from '../../../infra/tokenizer/tokenizer.ts';
import { byteTokenizer } from '../../byte-tokenizer.ts';
import { byteLevelJson, filesOf, llamaJson } from './tiny-tokenizers.ts';

const SEED = 77;
const byteLevel = await createTokenizer(filesOf(byteLevelJson()));
const llama = await createTokenizer(filesOf(llamaJson()));
const dbrx = await createTokenizer(filesOf(null, { family: 'dbrx' }));
const tokenizers: readonly (readonly [string, Tokenizer])[] = [
  ['byte-level', byteLevel],
  ['llama', llama],
  ['DBRX', dbrx],
];
const plain = { specials: 'text', addPromptTokens: false } as const;
const word = fc.constantFrom(
  ' hello',
  ' world',
  '😀',
  '👍🏽',
  '你好',
  ' ',
  '\n\n',
  'grüße',
  '👩‍👩‍👧',
  '\uFFFD',
  '\uFEFF',
);
const text = fc.array(fc.oneof(word, fc.string({ unit: 'grapheme', maxLength: 5 }))).map((words) => words.join(''));

function detokenize(tokenizer: Tokenizer, context: readonly number[], ids: readonly number[]): string[] {
  const detokenizer = new IncrementalDetokenizer(tokenizer, context);
  return [...ids.map((id) => detokenizer.push(id)), detokenizer.finish()];
}

for (const [name, tokenizer] of tokenizers) {
  test(`${name}: the pieces of any text are the text, without a half character`, async () => {
    await fc.assert(
      fc.asyncProperty(text, async (whole) => {
        const ids = await tokenizer.encode(whole, plain);
        const pieces = detokenizer(tokenizer, ids);
        assert.equal(pieces.join(''), tokenizer.decode(ids));
        if (!whole.includes('\uFFFD')) assert.ok(!pieces.some((piece) => piece.includes('\uFFFD')));
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  test(`${name}: text after a prompt is what the whole has beyond the prompt`, async () => {
    await fc.assert(
      fc.asyncProperty(text, text, async (before, after) => {
        const context = await tokenizer.encode(`the${before}x`, plain);
        const ids = await tokenizer.encode(after, plain);
        const shown = detokenize(tokenizer, context, ids).join('');
        assert.equal(tokenizer.decode(context) + shown, tokenizer.decode([...context, ...ids]));
      }),
      { seed: SEED, numRuns: 200 },
    );
  });
}

function detokenizer(tokenizer: Tokenizer, ids: readonly number[]): string[] {
  return detokenize(tokenizer, [], ids);
}

test('byte-level: the pieces of arbitrary ids are the decoded whole', () => {
  const id = fc.oneof(fc.nat(byteLevel.vocabSize + 5), fc.integer({ min: 120, max: 255 }));
  fc.assert(
    fc.property(fc.array(id, { maxLength: 60 }), (ids) => {
      assert.equal(detokenizer(byteLevel, ids).join(''), byteLevel.decode(ids));
    }),
    { seed: SEED, numRuns: 1000 },
  );
});

test('shows a character when its last byte arrives, not before', async () => {
  const ids = [...Buffer.from('€!')].map((byte) => 3 + byte);
  const pieces = detokenizer(llama, ids);
  assert.deepEqual(pieces, ['', '', '€', '!', '']);
});

test('a leading space is text after a prompt and none at the beginning', async () => {
  const ids = await llama.encode('hello', plain);
  assert.equal(detokenizer(llama, ids).join(''), 'hello');
  assert.equal(detokenize(llama, ids, ids).join(''), ' hello');
});

test('special tokens and ids outside the vocabulary show nothing and change nothing', async () => {
  const [hello, world] = [await byteLevel.encode('hello', plain), await byteLevel.encode(' world', plain)];
  const end = byteLevel.addedTokens.find((token) => token.text === '<|im_end|>')?.id ?? -1;
  assert.equal(detokenizer(byteLevel, [...hello, end, byteLevel.vocabSize + 3, ...world]).join(''), 'hello world');
});

test('a text that ends inside a character ends as it is decoded', () => {
  const ids = [...Buffer.from('😀')].slice(0, 2).map((byte) => 3 + byte);
  assert.deepEqual(detokenizer(llama, ids), ['', '', llama.decode(ids)]);
});

test('bytes that are no text are shown after a few tokens instead of being held back', () => {
  const invalid = llama.vocabSize > 0 ? 3 + 0xff : -1;
  const detokenizer = new IncrementalDetokenizer(llama, []);
  const pieces = Array.from({ length: 200 }, () => detokenizer.push(invalid));
  const waiting = 200 - pieces.join('').length;
  assert.ok(waiting <= 8, `${waiting} characters wait`);
});

test('the state is rebuilt by pushing the same ids again', async () => {
  const ids = await dbrx.encode('hello 😀 你好 wörld 👩‍👩‍👧', plain);
  for (let cut = 0; cut <= ids.length; cut += 1) {
    const [first, second] = [new IncrementalDetokenizer(dbrx, []), new IncrementalDetokenizer(dbrx, [])];
    for (const id of ids.slice(0, cut)) assert.equal(first.push(id), second.push(id));
    const rest = (detokenizer: IncrementalDetokenizer) => ids.slice(cut).map((id) => detokenizer.push(id));
    assert.deepEqual(rest(first), rest(second));
  }
});

test('a character that is open at the end of the prompt is shown as a whole, never as half of one', () => {
  for (const [first, character] of ['😀', 'é', '你'].entries()) {
    const bytes = [...Buffer.from(character)];
    for (let cut = 1; cut < bytes.length; cut += 1) {
      const ids = [...bytes.slice(cut), ...Buffer.from('b')];
      const shown = detokenize(byteTokenizer, [...Buffer.from('a'), ...bytes.slice(0, cut)], ids).join('');
      assert.equal(shown, `${character}b`, `character ${first}, cut after ${cut} bytes`);
    }
  }
});

test('no pieces after any context hold half a character', () => {
  const byte = fc.constantFrom(0x61, 0xf0, 0x9f, 0x98, 0x80, 0xc3, 0xa9, 0xff);
  const property = fc.property(fc.array(byte), fc.array(byte), (context, ids) => {
    for (const piece of detokenize(byteTokenizer, context, ids)) assert.ok(piece.isWellFormed(), JSON.stringify(piece));
  });
  fc.assert(property, { seed: SEED, numRuns: 2000 });
});

test('special tokens that are shown stand in the text by their names, others do not', async () => {
  const parsed = { specials: 'parsed', addPromptTokens: false } as const;
  const ids = await byteLevel.encode('hello<|im_start|> world<|im_end|>你好<|im_start|>', parsed);
  const shown = byteLevel.addedTokens.filter(({ text: name }) => name === '<|im_start|>').map(({ id }) => id);
  const detokenizer = new IncrementalDetokenizer(byteLevel, [], shown);
  const whole = [...ids.map((id) => detokenizer.push(id)), detokenizer.finish()].join('');
  assert.equal(whole, 'hello<|im_start|> world你好<|im_start|>');
});
