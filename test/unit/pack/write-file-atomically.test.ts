import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeAt, writeFileAtomically } from '../../../workers/pack/write-file-atomically.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

test('a file appears when it is complete', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'a');
  await writeFileAtomically(path, async (file) => {
    await writeAt(file, Buffer.from('12'), 1);
    await writeAt(file, Buffer.from('0'), 0);
    assert.ok(!(await readdir(folder)).includes('a'));
  });
  assert.deepEqual(await readdir(folder), ['a']);
  assert.equal(await readFile(path, 'utf8'), '012');
});

test('a failed write leaves what was there before, and no temporary file', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'a');
  await writeFile(path, 'old');
  const failing = writeFileAtomically(path, async (file) => {
    await file.write('half');
    throw new Error('no more');
  });
  await assert.rejects(failing, new Error('no more'));
  assert.deepEqual(await readdir(folder), ['a']);
  assert.equal(await readFile(path, 'utf8'), 'old');
});
