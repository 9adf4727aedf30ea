import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { DomainError } from '../../../infra/errors/domain-error.ts';
import { COPY_AGAIN } from '../../../infra/errors/file-failure.ts';
import {
  parseHeaderLength,
  parseSafetensorsHeader,
  readSafetensorsHeader,
} from '../../../workers/model/read-safetensors-header.ts';
import { temporaryFolder } from '../../temporary-folder.ts';
import { type HandMadeTensor, safetensorsBytes } from './safetensors-bytes.ts';

const SEED = 20_506;

const A: HandMadeTensor = { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] };

/** Writes the bytes to m.safetensors, reads its header, and returns the refusal without the folder. */
async function refusalOf(context: TestContext, bytes: Uint8Array): Promise<string> {
  const folder = await temporaryFolder(context);
  const path = join(folder, 'm.safetensors');
  await writeFile(path, bytes);
  try {
    await readSafetensorsHeader(path);
  } catch (thrown) {
    assert.ok(thrown instanceof DomainError, String(thrown));
    assert.equal(thrown.code, 'bad_checkpoint');
    assert.equal(thrown.param, path);
    assert.ok(thrown.message.endsWith(COPY_AGAIN), thrown.message);
    return thrown.message.slice(0, -COPY_AGAIN.length).replace(`${folder}/`, '');
  }
  return 'accepted';
}

test('gives dtype, shape and place in the file of every tensor, and skips the metadata', async (t) => {
  const path = join(await temporaryFolder(t), 'm.safetensors');
  const bytes = safetensorsBytes(
    JSON.stringify({ __metadata__: { format: 'pt' }, a: A, b: { dtype: 'BF16', shape: [], data_offsets: [24, 26] } }),
    26,
  );
  await writeFile(path, bytes);
  const dataStart = bytes.length - 26;
  assert.deepEqual(
    [...(await readSafetensorsHeader(path))],
    [
      ['a', { dtype: 'F32', shape: [2, 3], offset: dataStart, bytes: 24 }],
      ['b', { dtype: 'BF16', shape: [], offset: dataStart + 24, bytes: 2 }],
    ],
  );
});

test('accepts holes between tensors, empty tensors, and types it will never read', async (t) => {
  const header = {
    a: A,
    empty: { dtype: 'F32', shape: [0, 4], data_offsets: [10, 10] },
    odd: { dtype: 'F4', shape: [3], data_offsets: [30, 32] },
  };
  assert.equal(await refusalOf(t, safetensorsBytes(header, 40)), 'accepted');
});

test('refuses a file that ends within the length of its header', async (t) => {
  assert.equal(
    await refusalOf(t, Buffer.alloc(5)),
    "m.safetensors is truncated: 5 bytes, expected at least the 8 that give the header's length",
  );
});

test('refuses a header longer than its file', async (t) => {
  assert.equal(
    await refusalOf(t, safetensorsBytes({ a: A }, 24).subarray(0, 40)),
    'm.safetensors declares a header of 57 bytes, but only 32 follow: the file is truncated or not a safetensors file',
  );
});

test('refuses a header longer than the format allows, before reading it', async (t) => {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64LE(2n ** 63n);
  assert.equal(
    await refusalOf(t, bytes),
    'm.safetensors declares a header of 9223372036854775808 bytes, expected at most 100000000',
  );
});

test('refuses a file truncated within its data, naming the tensor', async (t) => {
  assert.equal(
    await refusalOf(t, safetensorsBytes({ a: A }, 20)),
    'm.safetensors tensor "a": data_offsets [0, 24] leave the 20 bytes of data',
  );
});

const refused: readonly (readonly [string, Parameters<typeof safetensorsBytes>[0], string])[] = [
  ['a header that is not JSON', '{"a": ', 'm.safetensors has a header that is not a JSON object'],
  ['a header that is a list', '[]', 'm.safetensors has a header that is not a JSON object'],
  [
    'offsets in the wrong order',
    { a: { ...A, data_offsets: [24, 0] } },
    'm.safetensors tensor "a": data_offsets [24, 0] leave the 48 bytes of data',
  ],
  [
    'negative offsets',
    { a: { ...A, data_offsets: [-24, 0] } },
    'm.safetensors tensor "a": expected {dtype: string, shape: [sizes], data_offsets: [begin, end]}',
  ],
  [
    'an entry without a shape',
    { a: { dtype: 'F32', data_offsets: [0, 24] } },
    'm.safetensors tensor "a": expected {dtype: string, shape: [sizes], data_offsets: [begin, end]}',
  ],
  [
    'offsets that do not fit the shape',
    { a: { ...A, dtype: 'BF16' } },
    'm.safetensors tensor "a": BF16 of shape [2, 3] takes 12 bytes, but data_offsets span 24',
  ],
  [
    'a shape whose size leaves the integers',
    { a: { ...A, shape: [2 ** 40, 2 ** 40] } },
    'm.safetensors tensor "a": F32 of shape [1099511627776, 1099511627776] takes 4.835703278458517e+24 bytes, but data_offsets span 24',
  ],
  ['overlapping tensors', { a: A, b: { ...A, data_offsets: [20, 44] } }, 'm.safetensors tensors "a" and "b" overlap'],
  [
    'one name twice, however it is spelled',
    `{"a": ${JSON.stringify(A)}, "\\u0061" : {"dtype": "F32", "shape": [], "data_offsets": [24, 28]}}`,
    'm.safetensors names tensor "a" twice',
  ],
];

for (const [what, header, message] of refused) {
  test(`refuses ${what}`, async (t) => {
    assert.equal(await refusalOf(t, safetensorsBytes(header, 48)), message);
  });
}

test('refuses a file that is not there, and one that is a folder', async (t) => {
  const folder = await temporaryFolder(t);
  for (const [path, why] of [
    ['/nowhere/m.safetensors', 'open: ENOENT): it does not exist: check the path.'],
    [folder, 'read: EISDIR): it is a folder where a file is expected: move it away.'],
  ] as const) {
    const message = `${path} cannot be used (${why}`;
    await assert.rejects(readSafetensorsHeader(path), { code: 'bad_checkpoint', message });
  }
});

/** What the parser makes of a whole file: tensors, or a DomainError. Anything else fails the test. */
function parse(bytes: Uint8Array): ReadonlyMap<string, { offset: number; bytes: number }> | DomainError {
  try {
    const length = parseHeaderLength(bytes.subarray(0, 8), bytes.length, 'm');
    return parseSafetensorsHeader(bytes.subarray(8, 8 + length), bytes.length, 'm');
  } catch (thrown) {
    if (thrown instanceof DomainError && thrown.code === 'bad_checkpoint') return thrown;
    throw thrown;
  }
}

function staysInside(bytes: Uint8Array): boolean {
  const parsed = parse(bytes);
  if (parsed instanceof DomainError) return true;
  return [...parsed.values()].every((entry) => entry.offset >= 8 && entry.offset + entry.bytes <= bytes.length);
}

test('survives any change to a valid file: tensors within the file or a DomainError', () => {
  const valid = safetensorsBytes({ a: A, b: { dtype: 'BF16', shape: [4, 3], data_offsets: [24, 48] } }, 48);
  const change = fc.tuple(fc.nat(valid.length - 1), fc.integer({ min: 0, max: 255 }));
  const property = fc.property(
    fc.array(change, { minLength: 1, maxLength: 12 }),
    fc.nat(valid.length),
    (changes, cut) => {
      const bytes = Buffer.from(valid);
      for (const [at, value] of changes) bytes[at] = value;
      return staysInside(bytes) && staysInside(bytes.subarray(0, cut));
    },
  );
  fc.assert(property, { seed: SEED, numRuns: 4000 });
});

test('survives any JSON as a header', () => {
  const size = fc.oneof(fc.nat(64), fc.double(), fc.maxSafeInteger(), fc.constant(null));
  const entry = fc.record(
    {
      dtype: fc.oneof(fc.constantFrom('F32', 'BF16', '__proto__'), fc.jsonValue()),
      shape: fc.array(size),
      data_offsets: fc.array(size),
    },
    { requiredKeys: [] },
  );
  const header = fc.oneof(fc.jsonValue(), fc.dictionary(fc.string(), fc.oneof(entry, fc.jsonValue())));
  const property = fc.property(header, fc.nat(64), (value, dataBytes) =>
    staysInside(safetensorsBytes(JSON.stringify(value), dataBytes)),
  );
  fc.assert(property, { seed: SEED, numRuns: 4000 });
});
