// A model whose lm_head is tied to its embedding, and a checkpoint that has both.
import assert from 'node:assert/strict';
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { readCheckpointIndex } from '../../../workers/model/checkpoint-index.ts';
import { loadModel } from '../../../workers/model/load-model.ts';
import { syntheticModel } from '../../synthetic-model.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

const SILENT = { onProgress: () => undefined, onWait: () => undefined };

/** A checkpoint with an lm_head of its own, whose config ties it. */
async function tiedCheckpoint(context: TestContext) {
  const home = await temporaryFolder(context);
  const folder = await syntheticModel(home, 'model', { like: 'qwen3' });
  const path = join(folder, 'config.json');
  const config: object = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(path, JSON.stringify({ ...config, tie_word_embeddings: true }));
  const load = () => loadModel({ folder, home, packs: 'all', events: SILENT });
  return { folder, load };
}

test('an lm_head that differs from the embedding it is tied to is refused, naming both', async (t) => {
  const { folder, load } = await tiedCheckpoint(t);
  await assert.rejects(load(), {
    code: 'bad_checkpoint',
    message:
      `${join(folder, 'model.safetensors')}: tensor "lm_head.weight" differs from "model.embed_tokens.weight", ` +
      'to which "tie_word_embeddings" ties it: expected one of them',
  });
});

test('an lm_head that repeats the embedding is taken, and stored once', async (t) => {
  const { folder, load } = await tiedCheckpoint(t);
  const { tensors } = await readCheckpointIndex(folder);
  const [head, embedding] = [tensors.get('lm_head.weight'), tensors.get('model.embed_tokens.weight')];
  assert.ok(head !== undefined && embedding !== undefined);
  const file = await open(head.path, 'r+');
  const bytes = Buffer.alloc(embedding.bytes);
  await file.read(bytes, 0, bytes.length, embedding.offset);
  await file.write(bytes, 0, bytes.length, head.offset);
  await file.close();
  const packs = await load();
  t.after(() => packs.close());
  const roles = packs.shared?.sections.map(({ role }) => role) ?? [];
  assert.deepEqual([roles.includes('lmHead'), roles.includes('embedding')], [true, false]);
});
