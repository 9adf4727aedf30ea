// Headers of GGUF files, right and wrong.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DomainError } from '../../../infra/errors/domain-error.ts';
import { EndOfBytes } from '../../../workers/gguf/gguf-cursor.ts';
import { layOutGguf } from '../../../workers/gguf/gguf-header.ts';
import { parseGguf } from '../../../workers/gguf/read-gguf.ts';

const SEED = 20_511;

const layout = layOutGguf(
  new Map([
    ['general.architecture', { type: 'string', value: 'llama' }],
    ['tokens', { type: 'strings', value: ['a', 'b', 'c'] }],
    ['types', { type: 'i32s', value: [1, 2, 3] }],
    ['epsilon', { type: 'f32', value: 0.5 }],
  ]),
  [
    { name: 'one.weight', dtype: 'f32', shape: [3, 64] },
    { name: 'two.weight', dtype: 'bf16', shape: [64] },
  ],
);
const { header, fileBytes } = layout;

function parse(bytes: Uint8Array, size = fileBytes) {
  return parseGguf(bytes, size, '/m/model.gguf');
}

/** The header with bytes in the place of what follows `after`. */
function changed(after: string, bytes: Buffer): Buffer {
  const copy = Buffer.from(header);
  const at = after === '' ? 0 : copy.indexOf(after) + after.length;
  bytes.copy(copy, at);
  return copy;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

test('what the exporter writes is read again', () => {
  const { metadata, tensors } = parse(header);
  assert.deepEqual(Object.fromEntries(metadata), {
    'general.architecture': 'llama',
    tokens: ['a', 'b', 'c'],
    types: [1, 2, 3],
    epsilon: 0.5,
  });
  assert.deepEqual(tensors.get('one.weight'), {
    name: 'one.weight',
    type: 0,
    shape: [3, 64],
    offset: layout.offsets[0],
    bytes: 768,
  });
});

/** Of the first tensor: two sizes, the fastest first, then its type and offset. */
const SIZES = Buffer.concat([Buffer.from('one.weight'), u32(2)]).toString('latin1');

function tensorChanged(at: number, bytes: Buffer): Buffer {
  const copy = Buffer.from(header);
  bytes.copy(copy, copy.indexOf(Buffer.from(SIZES, 'latin1')) + SIZES.length + at);
  return copy;
}

const refused: readonly (readonly [string, () => unknown, RegExp])[] = [
  ['another magic', () => parse(changed('', Buffer.from('GGML'))), /begins with "GGML", expected "GGUF"/],
  ['another version', () => parse(changed('GGUF', u32(1))), /has version 1 of GGUF, expected 2 or 3/],
  [
    'more tensors than fit',
    () => parse(changed('GGUF\u0003\0\0\0', u64(1n << 40n))),
    /declares 1099511627776 tensors, more than/,
  ],
  [
    'counts that overflow',
    () => parse(changed('GGUF\u0003\0\0\0', u64(0xffff_ffff_ffff_ffffn))),
    /number of tensors is 18446744073709551615/,
  ],
  [
    'a type that there is not',
    () => parse(tensorChanged(16, u32(77))),
    /tensor "one\.weight" has type 77, which GGUF does not have/,
  ],
  [
    'a width of no blocks',
    () => parse(tensorChanged(16, u32(12))),
    /tensor "one\.weight" of Q4_K has 64 inputs, expected a multiple of 256/,
  ],
  [
    'sizes that overflow',
    () => parse(tensorChanged(0, u64(1n << 52n))),
    /tensor "one\.weight" has shape \[4503599627370496, 3\]/,
  ],
  [
    'an offset between',
    () => parse(tensorChanged(20, u64(7n))),
    /tensor "one\.weight" begins at 7, expected a multiple of 32/,
  ],
  [
    'a tensor that is cut off',
    () => parse(header, fileBytes - 100),
    /tensor "two\.weight" ends at byte \d+, but the file has \d+: it is truncated/,
  ],
];

for (const [what, call, message] of refused) {
  test(`refuses ${what} with file and expectation`, () => {
    assert.throws(call, (thrown: Error) => {
      assert.ok(thrown instanceof DomainError && thrown.code === 'bad_checkpoint');
      assert.match(thrown.message, /^\/m\/model\.gguf: /);
      assert.match(thrown.message, message);
      return true;
    });
  });
}

test('damaged headers are refused or read, and nothing else', () => {
  const damage = fc.array(fc.tuple(fc.nat(header.length - 1), fc.integer({ min: 0, max: 255 })), {
    minLength: 1,
    maxLength: 8,
  });
  fc.assert(
    fc.property(damage, fc.nat(header.length), (changes, length) => {
      const copy = Buffer.from(header.subarray(0, header.length - Math.floor(length / 8)));
      for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
      try {
        parse(copy);
      } catch (thrown) {
        assert.ok(thrown instanceof DomainError || thrown instanceof EndOfBytes, String(thrown));
      }
    }),
    { seed: SEED, numRuns: 3000 },
  );
});
