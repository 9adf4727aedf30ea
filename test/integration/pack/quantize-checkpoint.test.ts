// `conclave model quantize`: what it writes is read again as what it said.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { describeCheckpoint } from '../../../workers/model/describe-checkpoint.ts';
import { readChoice } from '../../../workers/model/quantization-choice.ts';
import { quantizeCheckpoint } from '../../../workers/model/quantize-checkpoint.ts';
import { runConclave } from '../../run-conclave.ts';
import { syntheticModel } from '../../synthetic-model.ts';
import { temporaryFolder } from '../../temporary-folder.ts';
import { SMALL_SIZES } from '../../unit/model/small-model.ts';

/** Widths are multiples of 64, but for the experts' inner one. */
const SIZES = { ...SMALL_SIZES, dModel: 128, heads: 4, kvHeads: 2, ffn: 96, headDim: 32 };

const cases = [
  {
    like: 'qwen3_moe',
    choice: { mode: 'affine', bits: 4, groupSize: 64, keep: ['lm_head'] },
    formats: {
      '*': 'affine4-g64-bf16',
      // 96 inputs are no multiple of 64.
      down: 'bf16',
      lmHead: 'bf16',
      router: 'affine8-g64-bf16',
    },
  },
  {
    like: 'gpt_oss',
    choice: { mode: 'mxfp4', keep: ['attention', 'router'] },
    formats: {
      '*': 'e2m1-g32-e8m0',
      query: 'bf16',
      key: 'bf16',
      value: 'bf16',
      attentionOutput: 'bf16',
      router: 'bf16',
    },
  },
  { like: 'dbrx', choice: { mode: 'nvfp4', keep: [] }, formats: { '*': 'e2m1-g16-e4m3', router: 'affine8-g64-bf16' } },
  {
    like: 'granitemoe',
    choice: { mode: 'mxfp8', keep: [] },
    formats: { '*': 'e4m3-g32-e8m0', router: 'affine8-g64-bf16' },
  },
] as const;

for (const { like, choice, formats } of cases) {
  test(`${like} in ${choice.mode}: the formats that were asked for, small errors, the files beside the weights`, async (context) => {
    const parent = await temporaryFolder(context);
    const { headDim: _, ...dbrxSizes } = SIZES;
    const folder = await syntheticModel(parent, 'model', { like, sizes: like === 'dbrx' ? dbrxSizes : SIZES });
    const out = join(parent, 'quantised');
    const wanted = readChoice({ bits: undefined, groupSize: undefined, ...choice });
    const { errors, bytes, bytesBefore } = await quantizeCheckpoint({
      folder,
      out,
      choice: wanted,
      onProgress: () => {},
    });

    const [before, after] = await Promise.all([folder, out].map(describeCheckpoint));
    assert.deepEqual(after?.description.formats, formats);
    assert.equal(after?.description.activations, 'bf16');
    assert.deepEqual(after?.description.blocks, before?.description.blocks);
    assert.ok(bytes < bytesBefore);
    for (const { role, relativeRms } of errors)
      assert.ok(relativeRms > 1e-3 && relativeRms < 0.2, `${role} ${relativeRms}`);
    const tokenizers = await Promise.all([folder, out].map((one) => readFile(join(one, 'tokenizer.json'), 'utf8')));
    assert.equal(tokenizers[0], tokenizers[1]);
  });
}

test('refuses what is quantised already, bits that a mode has not, and parts that there are not', async (context) => {
  const parent = await temporaryFolder(context);
  const folder = await syntheticModel(parent, 'model', { like: 'qwen3_moe', sizes: SIZES });
  const out = join(parent, 'quantised');
  const choice = readChoice({ mode: 'affine', bits: 8, groupSize: 32, keep: [] });
  await quantizeCheckpoint({ folder, out, choice, onProgress: () => {} });
  await assert.rejects(quantizeCheckpoint({ folder: out, out: join(parent, 'twice'), choice, onProgress: () => {} }), {
    code: 'bad_checkpoint',
    message: /tensor "model\.embed_tokens\.weight" is quantised already/,
  });
  assert.throws(() => readChoice({ mode: 'mxfp4', bits: 8, groupSize: undefined, keep: [] }), {
    code: 'invalid_request',
    message: 'Expected 4, the one of mxfp4 but received 8.',
  });
  const { status, stderr } = runConclave('model', 'quantize', folder, '--out', out, '--keep', 'gate');
  assert.notEqual(status, 0);
  assert.match(stderr, /Expected router, lm_head, embedding/);
});
