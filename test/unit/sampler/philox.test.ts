import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { philox4x32, type Words4 } from '../../../workers/sampler/philox.ts';
import { PURPOSE, type SamplingKey, uniform } from '../../../workers/sampler/sampling-key.ts';

// Known answers of the Random123 distribution (kat_vectors, philox4x32 10).
const KNOWN: readonly (readonly [Words4, readonly [number, number], Words4])[] = [
  [
    [0, 0, 0, 0],
    [0, 0],
    [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
  ],
  [
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  ],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
];

for (const [counter, key, expected] of KNOWN) {
  test(`Philox4x32-10 gives the published words for counter ${counter[0].toString(16)}`, () => {
    assert.deepEqual(philox4x32(counter, key), expected);
  });
}

const KEY: SamplingKey = { seed: 7, choice: 0, position: 0, purpose: PURPOSE.token };

test('a uniform number is at least 0 and below 1 for every key', () => {
  const key = fc.record({
    seed: fc.maxSafeNat(),
    choice: fc.nat(128),
    position: fc.nat(0xffffffff),
    purpose: fc.constant(PURPOSE.token),
  });
  fc.assert(
    fc.property(key, (k) => {
      const value = uniform(k);
      assert.ok(value >= 0 && value < 1);
      assert.equal(uniform(k), value);
    }),
    { seed: 5 },
  );
});

test('every part of the key changes the number, the upper bits of the seed too', () => {
  const keys = [
    KEY,
    { ...KEY, seed: 8 },
    { ...KEY, seed: 7 + 2 ** 40 },
    { ...KEY, seed: '9007199254740993' },
    { ...KEY, seed: '9007199254740995' },
    { ...KEY, seed: '18446744073709551615' },
    { ...KEY, choice: 1 },
    { ...KEY, position: 1 },
  ];
  assert.equal(new Set(keys.map(uniform)).size, keys.length);
});

test('the numbers of a seed do not change from version to version', () => {
  const positions = [0, 1, 2].map((position) => uniform({ ...KEY, seed: 42, position }));
  assert.deepEqual(positions, [0.6129598801477738, 0.9877186516453577, 0.825866830783453]);
});

test('numbers of successive positions are uniform and independent', () => {
  const [bins, draws] = [16, 32_768];
  const numbers = Array.from({ length: draws }, (_, position) => uniform({ ...KEY, position }));
  const pairs = new Float64Array(bins * bins);
  for (let at = 1; at < draws; at += 1) {
    const cell = Math.floor((numbers[at - 1] ?? 0) * bins) * bins + Math.floor((numbers[at] ?? 0) * bins);
    pairs[cell] = (pairs[cell] ?? 0) + 1;
  }
  const expected = (draws - 1) / pairs.length;
  const chiSquare = pairs.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  // 255 degrees of freedom: 99.9 % lie below 331.
  assert.ok(chiSquare < 331, `chi-square ${chiSquare}`);
});

test('a seed in digits is the number that they spell', () => {
  for (const seed of [0, 7, 2 ** 40 + 1, 2 ** 53 - 1]) {
    assert.equal(uniform({ ...KEY, seed: String(seed) }), uniform({ ...KEY, seed }));
  }
});
