import assert from 'node:assert/strict';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { exportGguf } from '../../../workers/gguf/export-gguf.ts';
import { importGguf } from '../../../workers/gguf/import-gguf.ts';
import { describeCheckpoint } from '../../../workers/model/describe-checkpoint.ts';
import { openCheckpoint } from '../../../workers/model/open-checkpoint.ts';
import { readSection } from '../../../workers/pack/read-section.ts';
import { runConclave } from '../../run-conclave.ts';
import { syntheticModel } from '../../synthetic-model.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

/** The bytes of every section, by its name. */
async function sectionsOf(folder: string): Promise<Map<string, Buffer>> {
  const { sections, index } = await describeCheckpoint(folder);
  const checkpoint = openCheckpoint(index);
  const bytes = sections.map((section) => {
    const { role, layer, expert, format } = section;
    return [`${role} ${layer} ${expert} ${format}`, Buffer.concat([...readSection(section, checkpoint)])] as const;
  });
  checkpoint.close();
  return new Map(bytes);
}

test('a model that was exported and imported again has the same description, weights and tokens', async (context) => {
  const parent = await temporaryFolder(context);
  const original = await syntheticModel(parent, 'model', { like: 'qwen3_moe', dtype: 'f32' });
  await exportGguf(original, join(parent, 'model.gguf'), () => undefined);
  const imported = join(parent, 'imported');
  await importGguf(join(parent, 'model.gguf'), imported, () => undefined);

  assert.deepEqual(await sectionsOf(imported), await sectionsOf(original));
  const [before, after] = await Promise.all([original, imported].map(describeCheckpoint));
  assert.deepEqual(after?.description, before?.description);
  const vocabularyOf = async (folder: string) =>
    JSON.parse(await readFile(join(folder, 'tokenizer.json'), 'utf8')).model.merges;
  assert.deepEqual(await vocabularyOf(imported), await vocabularyOf(original));
});

test('a GGUF file as a model names the command that converts it', async (context) => {
  const path = join(await temporaryFolder(context), 'model.gguf');
  await writeFile(path, 'GGUF');
  const { status, stderr } = runConclave('model', 'inspect', path);
  assert.equal(status, 1);
  assert.ok(stderr.includes(`convert it with \`conclave model import ${path} --out FOLDER\``), stderr);
});

test('refuses a file that is cut off, with file and tensor, and exits with 1', async (context) => {
  const parent = await temporaryFolder(context);
  const original = await syntheticModel(parent, 'model', { like: 'qwen3_moe' });
  const path = join(parent, 'model.gguf');
  await truncate(path, (await exportGguf(original, path, () => undefined)) - 10_000);
  const { status, stderr } = runConclave('model', 'import', path, '--out', join(parent, 'out'));
  assert.equal(status, 1);
  assert.match(stderr, /model\.gguf: tensor "[^"]+" ends at byte \d+, but the file has \d+: it is truncated/);
});
