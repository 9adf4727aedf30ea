import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { readCheckpointIndex } from '../../../workers/model/checkpoint-index.ts';
import { temporaryFolder } from '../../temporary-folder.ts';
import { safetensorsBytes } from './safetensors-bytes.ts';

const TENSOR = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };

async function folderWith(context: TestContext, files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const folder = await temporaryFolder(context);
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  return folder;
}

function indexOf(weightMap: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ metadata: {}, weight_map: weightMap });
}

test('finds the tensors of a single file', async (t) => {
  const folder = await folderWith(t, { 'model.safetensors': safetensorsBytes({ a: TENSOR }, 8) });
  const index = await readCheckpointIndex(folder);
  const path = join(folder, 'model.safetensors');
  assert.deepEqual(index.sources, [path]);
  assert.equal(index.tensors.get('a')?.path, path);
});

test('finds each tensor in its shard, and counts the index among the sources', async (t) => {
  const folder = await folderWith(t, {
    's1.safetensors': safetensorsBytes({ a: TENSOR, unlisted: { ...TENSOR, data_offsets: [8, 16] } }, 16),
    's2.safetensors': safetensorsBytes({ b: TENSOR }, 8),
    'model.safetensors.index.json': indexOf({ a: 's1.safetensors', b: 's2.safetensors' }),
  });
  const index = await readCheckpointIndex(folder);
  assert.deepEqual(
    [...index.tensors].map(([name, { path }]) => [name, path]),
    [
      ['a', join(folder, 's1.safetensors')],
      ['b', join(folder, 's2.safetensors')],
    ],
  );
  assert.deepEqual(
    index.sources,
    ['model.safetensors.index.json', 's1.safetensors', 's2.safetensors'].map((name) => join(folder, name)),
  );
});

const refused: readonly (readonly [string, Readonly<Record<string, string | Uint8Array>>, string])[] = [
  [
    'a folder without weights',
    {},
    'FOLDER: expected model.safetensors or model.safetensors.index.json with its shards',
  ],
  [
    'a missing shard',
    { 'model.safetensors.index.json': indexOf({ a: 's1.safetensors' }) },
    'FOLDER/model.safetensors.index.json names shard s1.safetensors, which is missing; copy it to where the index is',
  ],
  [
    'a tensor that its shard does not have',
    {
      'model.safetensors.index.json': indexOf({ a: 's1.safetensors', b: 's1.safetensors' }),
      's1.safetensors': safetensorsBytes({ a: TENSOR }, 8),
    },
    'FOLDER/model.safetensors.index.json places tensor "b" in s1.safetensors, which does not have it',
  ],
  [
    'a shard outside the folder',
    { 'model.safetensors.index.json': indexOf({ a: '../s1.safetensors' }) },
    'FOLDER/model.safetensors.index.json names shard "../s1.safetensors": expected a file name',
  ],
  [
    'an index that is not JSON',
    { 'model.safetensors.index.json': '{' },
    'FOLDER/model.safetensors.index.json is damaged: expected {"weight_map": {tensor: shard file}}; copy the file again from where the model came from',
  ],
  [
    'an index without a map',
    { 'model.safetensors.index.json': indexOf({ a: 3 }) },
    'FOLDER/model.safetensors.index.json is damaged: expected {"weight_map": {tensor: shard file}}; copy the file again from where the model came from',
  ],
];

for (const [what, files, message] of refused) {
  test(`refuses ${what}`, async (t) => {
    const folder = await folderWith(t, files);
    await assert.rejects(readCheckpointIndex(folder), {
      code: 'bad_checkpoint',
      message: message.replace('FOLDER', folder),
    });
  });
}
