import assert from 'node:assert/strict';
import { rename, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { hashSource } from '../../../workers/pack/hash-source.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

/** Hashes and says how many bytes had to be read. */
async function hash(files: readonly string[], memo: string): Promise<{ hash: string; bytesRead: number }> {
  let bytesRead = 0;
  const source = await hashSource(files, memo, ({ done }) => {
    bytesRead = done;
  });
  return { hash: source, bytesRead };
}

test('an unchanged file is not read again, under whatever path it is reached', async (t) => {
  const folder = await temporaryFolder(t);
  const [file, link, memo] = ['a', 'linked/a', 'memo.json'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await writeFile(file, 'weights');
  await symlink(folder, join(folder, 'linked'));
  const first = await hash([file], memo);
  assert.equal(first.bytesRead, 7);
  assert.deepEqual(await hash([file], memo), { hash: first.hash, bytesRead: 0 });
  assert.deepEqual(await hash([link], memo), { hash: first.hash, bytesRead: 0 });
});

test('another content gives another hash, even with the old size and time', async (t) => {
  const folder = await temporaryFolder(t);
  const [file, memo] = ['a', 'memo.json'].map((name) => join(folder, name)) as [string, string];
  await writeFile(file, 'weights');
  const first = await hash([file], memo);
  const { atime, mtime } = await stat(file);
  await writeFile(join(folder, 'b'), 'WEIGHTS');
  await rename(join(folder, 'b'), file);
  await utimes(file, atime, mtime);
  assert.notEqual((await hash([file], memo)).hash, first.hash);
});

test('a damaged memo costs a second reading, nothing else', async (t) => {
  const folder = await temporaryFolder(t);
  const [file, memo] = ['a', 'memo.json'].map((name) => join(folder, name)) as [string, string];
  await writeFile(file, 'weights');
  const first = await hash([file], memo);
  await writeFile(memo, '{"half');
  assert.deepEqual(await hash([file], memo), first);
});

test('refuses a file that is not there', async (t) => {
  const folder = await temporaryFolder(t);
  await assert.rejects(hash([join(folder, 'gone')], join(folder, 'memo.json')), {
    code: 'bad_checkpoint',
    message: `${join(folder, 'gone')} cannot be read`,
  });
});
