import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import fc from 'fast-check';
import { Tiktoken } from 'tiktoken/lite';
import { readCl100k } from '../../../infra/tokenizer/cl100k.ts';
import { mergeBytePairs, type TokenRanks } from '../../../infra/tokenizer/merge-byte-pairs.ts';

const file = createRequire(import.meta.url)('tiktoken/encoders/cl100k_base.json');
const oracle = new Tiktoken(file.bpe_ranks, file.special_tokens, file.pat_str);
const cl100k = readCl100k();

/** What splits and merges depend on: white space of both languages, contractions, digits, runs that are tokens in part. */
const PIECES = [
  ...[
    'a',
    'the',
    ' world',
    "'S",
    "'re",
    "'LL",
    "'\u017f",
    "'ve ",
    '123',
    '4',
    '\u0660',
    '\u2167',
    '!!',
    ' =>',
    '\u4f60\u597d',
    '\u{1f600}',
    'e\u0301',
  ],
  ...[
    '\n',
    '\r\n',
    '\r',
    '\t',
    ' ',
    '   ',
    '\u0085',
    '\u00a0',
    '\u2028',
    '\u3000',
    '\ufeff',
    '\u200b',
    '\u001c',
    '\u0000',
    '\ud800',
    '\udc00',
  ],
];
const spacedText = fc.array(fc.constantFrom(...PIECES), { maxLength: 40 }).map((parts) => parts.join(''));
const runs = fc
  .array(
    fc.tuple(fc.constantFrom('a', 'ab', ' ', '\n', '!', '\u00e9', '\u{1f600}'), fc.integer({ min: 1, max: 300 })),
    { maxLength: 4 },
  )
  .map((parts) => parts.map(([text, count]) => text.repeat(count)).join(''));
// Of all of Unicode only Latin-1: whether a newer character is a letter depends on the Unicode version of each library.
const latin = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 80,
});

test('gives the tokens of tiktoken', () => {
  fc.assert(
    fc.property(fc.oneof(spacedText, runs, latin), (text) => {
      assert.deepEqual(cl100k.encode(text), [...oracle.encode_ordinary(text)]);
    }),
    { numRuns: 1500, seed: 12 },
  );
});

test('has the bytes of every token of tiktoken', () => {
  for (let id = 0; id < 100_256; id += 1) {
    assert.deepEqual(Uint8Array.from(cl100k.bytes(id) ?? []), oracle.decode_single_token_bytes(id), String(id));
  }
  assert.equal(cl100k.bytes(100_256), undefined);
});

/** Letters a to d, and a few of the words over them: neighbours of equal rank overlap often. */
const words = fc.uniqueArray(fc.string({ unit: fc.constantFrom(...'abcd'), minLength: 2, maxLength: 5 }), {
  maxLength: 30,
});

test('merges as the definition of byte-pair encoding does', () => {
  fc.assert(
    fc.property(
      words,
      fc.string({ unit: fc.constantFrom(...'abcd'), minLength: 1, maxLength: 60 }),
      (tokens, piece) => {
        const ranks: TokenRanks = { ids: new Map([...'abcd', ...tokens].map((token, id) => [token, id])), longest: 5 };
        assert.deepEqual(mergeBytePairs(piece, ranks), mergeByDefinition(piece, ranks.ids));
      },
    ),
    { numRuns: 2000, seed: 12 },
  );
});

function mergeByDefinition(piece: string, ids: ReadonlyMap<string, number>): number[] {
  const whole = ids.get(piece);
  if (whole !== undefined) return [whole];
  const parts = [...piece];
  for (;;) {
    const ranks = parts.slice(1).map((part, at) => ids.get(`${parts[at]}${part}`) ?? Number.POSITIVE_INFINITY);
    const lowest = Math.min(...ranks);
    if (!Number.isFinite(lowest)) return parts.map((part) => ids.get(part) ?? -1);
    const at = ranks.indexOf(lowest);
    parts.splice(at, 2, `${parts[at]}${parts[at + 1]}`);
  }
}

test('a piece twice as long takes about twice as long', () => {
  const lookUps = (length: number): number => {
    const ids = new CountingMap([
      ['a', 0],
      ['aa', 1],
      ['aaaa', 2],
      ['b', 3],
    ]);
    mergeBytePairs(`${'a'.repeat(length)}b`, { ids, longest: 4 });
    return ids.count;
  };
  assert.ok(lookUps(200_000) < 2.1 * lookUps(100_000));
});

class CountingMap extends Map<string, number> {
  count = 0;
  override get(key: string): number | undefined {
    this.count += 1;
    return super.get(key);
  }
}
