import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { acquirePackLock, type LockOwner } from '../../../workers/pack/pack-lock.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

const DEADLINE = { timeout: 20_000 };

test('a second builder is told who builds, and gets the lock when it is released', DEADLINE, async (t) => {
  const folder = await temporaryFolder(t);
  const events: string[] = [];
  const release = await acquirePackLock(folder, () => events.push('told the first'));
  const told = new EventEmitter<{ owner: [LockOwner] }>();
  const owner = once(told, 'owner');
  const second = acquirePackLock(folder, (found) => told.emit('owner', found)).then((releaseSecond) => {
    events.push('second owns');
    return releaseSecond;
  });
  assert.deepEqual(await owner, [{ pid: process.pid, host: hostname() }]);
  events.push('releasing');
  release();
  (await second)();
  assert.deepEqual(events, ['releasing', 'second owns']);
  assert.equal(await readFile(join(folder, 'build.lock'), 'utf8'), '');
});

for (const [what, left] of [
  ['that died with the process id this one has', JSON.stringify({ pid: process.pid, host: hostname() })],
  ['that died while it wrote its name', '{"pid":'],
  ['that left an empty file', ''],
]) {
  test(`a process does not wait for a builder ${what}`, DEADLINE, async (t) => {
    const folder = await temporaryFolder(t);
    await writeFile(join(folder, 'build.lock'), left ?? '');
    const release = await acquirePackLock(folder, () => assert.fail('there is no builder to wait for'));
    release();
  });
}

test('of many builders at once, one at a time owns the lock', DEADLINE, async (t) => {
  const folder = await temporaryFolder(t);
  let owners = 0;
  const build = async (): Promise<void> => {
    const release = await acquirePackLock(folder, () => undefined);
    owners += 1;
    assert.equal(owners, 1);
    await new Promise(setImmediate);
    owners -= 1;
    release();
  };
  await Promise.all(Array.from({ length: 5 }, build));
});

test('a file that cannot be locked is named with a remedy', async (t) => {
  const folder = await temporaryFolder(t);
  await mkdir(join(folder, 'build.lock'));
  await assert.rejects(
    acquirePackLock(folder, () => undefined),
    {
      code: 'unavailable',
      message: /build\.lock cannot be locked: EISDIR.*\. .*use a folder on a local disk \(--home\)\./,
    },
  );
});
