import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DomainError } from '../../../infra/errors/domain-error.ts';
import { loadAddon } from '../../../native/load-addon.ts';
import {
  dataOffset,
  decodePackHeader,
  decodePackPrefix,
  encodePackHeader,
  PACK_LAYOUT_VERSION,
  PACK_PREFIX_BYTES,
  type PackHeader,
} from '../../../workers/pack/pack-format.ts';

const SEED = 20_510;

const HEADER: PackHeader = {
  layoutVersion: PACK_LAYOUT_VERSION,
  activations: 'bf16',
  formats: { '*': 'bf16', router: 'f32' },
  sourceHash: 'ab'.repeat(32),
  config: '{"model_type": "dbrx"}',
  dataBytes: 32_768,
  sections: [
    {
      ...{ role: 'gateUp', layer: 0, expert: 3, format: 'bf16', outputs: 64, inputs: 60 },
      ...{ offset: 16_384, bytes: 100, sha256: '0'.repeat(64) },
    },
  ],
};

test('the layout version is that of the kernels', () => {
  assert.equal(PACK_LAYOUT_VERSION, loadAddon().layoutVersion);
});

test('a header reads back as it was written, and sections begin at a multiple of 16 KiB', () => {
  const bytes = encodePackHeader(HEADER);
  assert.deepEqual(decodePackHeader(bytes, 'p'), HEADER);
  assert.equal(bytes.length, 16_384);
  assert.equal(dataOffset(decodePackPrefix(bytes.subarray(0, PACK_PREFIX_BYTES), 'p')), bytes.length);
});

test('refuses what is no pack, another version, and a damaged header', () => {
  const refusal = (change: (bytes: Buffer) => void): string => {
    const bytes = encodePackHeader(HEADER);
    change(bytes);
    try {
      decodePackHeader(bytes, 'p.pack');
      return 'accepted';
    } catch (thrown) {
      assert.ok(thrown instanceof DomainError && thrown.code === 'bad_pack');
      return thrown.message;
    }
  };
  assert.equal(
    refusal((bytes) => bytes.write('GGUF')),
    'p.pack is not a pack file',
  );
  assert.equal(
    refusal((bytes) => bytes.writeUInt32LE(9, 8)),
    'p.pack has header version 9, expected 3',
  );
  assert.equal(
    refusal((bytes) => bytes.writeUInt32LE(0xffffffff, 12)),
    'p.pack declares a header of 4294967295 bytes',
  );
  assert.equal(
    refusal((bytes) => bytes.write('x', 60)),
    'p.pack has a damaged header: its checksum does not match',
  );
});

test('any change to prefix or header is noticed', () => {
  const valid = encodePackHeader(HEADER);
  const used = PACK_PREFIX_BYTES + decodePackPrefix(valid, 'p');
  const property = fc.property(fc.nat(used - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
    const bytes = Buffer.from(valid);
    bytes[at] = (bytes[at] ?? 0) ^ flip;
    assert.throws(() => decodePackHeader(bytes, 'p'), { code: 'bad_pack' });
  });
  fc.assert(property, { seed: SEED, numRuns: 1000 });
});
