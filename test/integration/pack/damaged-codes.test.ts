// Codes and scales that are no numbers are found when they are packed, with file, tensor and place.
import assert from 'node:assert/strict';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { describeCheckpoint } from '../../../workers/model/describe-checkpoint.ts';
import { openCheckpoint } from '../../../workers/model/open-checkpoint.ts';
import { readSection } from '../../../workers/pack/read-section.ts';
import { QUANTIZED_FIXTURES } from '../../golden/golden-fixtures.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

const cases = [
  [
    'qwen3-moe-fp8-f32',
    'model.layers.0.self_attn.q_proj.weight',
    0x7f,
    /the code of output 0, input 3 is not a number/,
  ],
  [
    'gpt-oss-mxfp4-bf16',
    'model.layers.0.mlp.experts.down_proj_scales',
    0xff,
    /the scale of output 3, input 0 is not finite/,
  ],
] as const;

for (const [name, tensor, value, message] of cases) {
  test(`${name}: ${value} in ${tensor}`, async (context) => {
    const folder = join(await temporaryFolder(context), name);
    await cp(join(QUANTIZED_FIXTURES, name), folder, { recursive: true });
    const { sections, index } = await describeCheckpoint(folder);
    const path = join(folder, 'model.safetensors');
    const bytes = await readFile(path);
    bytes[(index.tensors.get(tensor)?.offset ?? 0) + 3] = value;
    await writeFile(path, bytes);
    const checkpoint = openCheckpoint(index);
    context.after(() => checkpoint.close());
    const readAll = () => {
      for (const section of sections) for (const _ of readSection(section, checkpoint));
    };
    assert.throws(readAll, (thrown: Error & { code?: string }) => {
      assert.equal(thrown.code, 'bad_checkpoint');
      assert.ok(thrown.message.startsWith(`${path}: tensor "`), thrown.message);
      assert.ok(thrown.message.includes(tensor.replace('_scales', '_blocks')), thrown.message);
      assert.match(thrown.message, message);
      return true;
    });
  });
}
