import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
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
  assert.deepEqual(
    (await owner).map(({ pid }: LockOwner) => pid),
    [process.pid],
  );
  events.push('releasing');
  await release();
  await (await second)();
  assert.deepEqual(events, ['releasing', 'second owns']);
  assert.deepEqual(await readdir(folder), []);
});

test('the lock of a process that died is taken over at once', DEADLINE, async (t) => {
  const folder = await temporaryFolder(t);
  const { pid } = spawnSync(process.execPath, ['--version']);
  await writeFile(join(folder, 'build.lock'), JSON.stringify({ pid, host: hostname(), token: 'x' }));
  const release = await acquirePackLock(folder, () => assert.fail('there is nobody to wait for'));
  await release();
  assert.deepEqual(await readdir(folder), []);
});

test('of many builders at a dead lock, one at a time owns it', DEADLINE, async (t) => {
  const folder = await temporaryFolder(t);
  const { pid } = spawnSync(process.execPath, ['--version']);
  await writeFile(join(folder, 'build.lock'), JSON.stringify({ pid, host: hostname(), token: 'x' }));
  let owners = 0;
  const build = async (): Promise<void> => {
    const release = await acquirePackLock(folder, () => undefined);
    owners += 1;
    assert.equal(owners, 1);
    await new Promise(setImmediate);
    owners -= 1;
    await release();
  };
  await Promise.all(Array.from({ length: 5 }, build));
});

test("releasing a lock that another took over leaves the other's alone", DEADLINE, async (t) => {
  const folder = await temporaryFolder(t);
  const release = await acquirePackLock(folder, () => undefined);
  await writeFile(join(folder, 'build.lock'), JSON.stringify({ pid: 1, host: 'elsewhere', token: 'y' }));
  await release();
  assert.deepEqual(await readdir(folder), ['build.lock']);
});
