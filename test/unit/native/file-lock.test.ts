// A lock on a file: one holder at a time, none that outlives its process.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isAlive } from '../../../infra/process/is-alive.ts';
import { FileLock } from '../../../native/file-lock.ts';
import { temporaryFolder } from '../../temporary-folder.ts';
import { addon } from './zero-model.ts';

const HOLDER = join(import.meta.dirname, 'lock-and-spawn.js');

test('one holder at a time, and the note names it', async (t) => {
  const path = join(await temporaryFolder(t), 'lock');
  assert.equal(FileLock.readNote(path), '');
  const first = FileLock.tryAcquire(path, 'a longer first note');
  assert.ok(first !== null);
  assert.equal(FileLock.tryAcquire(path, 'second'), null);
  assert.equal(FileLock.readNote(path), 'a longer first note');
  first.release();
  assert.equal(FileLock.readNote(path), '');
  const second = FileLock.tryAcquire(path, 'second');
  assert.equal(FileLock.readNote(path), 'second');
  second?.release();
});

test('a killed holder releases it immediately, although its child keeps running', { timeout: 60_000 }, async (t) => {
  const path = join(await temporaryFolder(t), 'lock');
  const holder = fork(HOLDER, [path]);
  const [child] = (await once(holder, 'message')) as [number];
  t.after(() => process.kill(child, 'SIGKILL'));
  assert.equal(FileLock.tryAcquire(path, 'too early'), null);
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  assert.ok(isAlive(child));
  const lock = FileLock.tryAcquire(path, 'after');
  assert.ok(lock !== null);
  lock.release();
});

test('a folder in its place is named', async (t) => {
  const path = join(await temporaryFolder(t), 'lock');
  mkdirSync(path);
  const refused = { name: 'NativeError', code: 'io', message: new RegExp(`^${path} cannot be locked: EISDIR`) };
  assert.throws(() => FileLock.tryAcquire(path, ''), refused);
});

test('the addon reports what the system refuses, and takes nothing but a descriptor', () => {
  assert.throws(() => addon.tryLockFile(-1), { code: 'io', message: /Bad file descriptor/ });
  assert.throws(() => addon.tryLockFile(0.5), { code: 'invalid_argument' });
  assert.throws(() => addon.tryLockFile('0' as unknown as number), { code: 'invalid_argument' });
});

const hasProc = process.platform === 'linux';
test('a refused attempt leaves no descriptor open', { skip: hasProc ? false : 'needs /proc' }, async (t) => {
  const path = join(await temporaryFolder(t), 'lock');
  const lock = FileLock.tryAcquire(path, '');
  for (let tries = 0; tries < 3; tries += 1) FileLock.tryAcquire(path, '');
  const open = Array.from({ length: 256 }, (_, descriptor) => targetOf(descriptor)).filter((file) => file === path);
  assert.equal(open.length, 1);
  lock?.release();
});

function targetOf(descriptor: number): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    // Not open.
    return '';
  }
}
