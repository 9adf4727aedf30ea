// `conclave start` on files that are not what they should be: one sentence that names the file, and nothing left running.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { REPOSITORY_ROOT } from '../../repository-root.ts';
import { CONCLAVE, runConclave } from '../../run-conclave.ts';
import { processesOf } from '../../start-conclave.ts';
import { syntheticModel } from '../../synthetic-model.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

const DEADLINE = { timeout: 120_000 };

function refused(home: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = runConclave('start', '--port', '0', '--home', home, ...args);
  assert.deepEqual([status, stdout], [1, ''], stderr);
  assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
  assert.deepEqual(processesOf(home), []);
  return stderr;
}

for (const file of ['gateway.log', 'worker.log', 'ready.json', 'operator-keys.json', 'pepper', 'redis-durable/url']) {
  test(`a folder in place of ${file} is named`, DEADLINE, async (t) => {
    const home = await temporaryFolder(t);
    mkdirSync(join(home, file, 'full'), { recursive: true });
    assert.ok(refused(home).includes(join(home, file)));
  });
}

for (const folder of ['redis-durable', 'redis-exchange', 'packs']) {
  test(`a file in place of ${folder} is named`, DEADLINE, async (t) => {
    const home = await temporaryFolder(t);
    writeFileSync(join(home, folder), '');
    assert.ok(refused(home).includes(join(home, folder)));
  });
}

test('a dense model on two nodes is refused before anything starts', DEADLINE, async (t) => {
  const home = await temporaryFolder(t);
  const model = await syntheticModel(home, 'model', { like: 'llama' });
  const message = 'A llama model is dense: it has no experts to distribute over 2 nodes. Use one node.';
  assert.ok(refused(home, '--model', model, '--nodes', '2').includes(message));
});

for (const text of ['', '{"apiKey": "cv', '[]', '{"apiKey": 1, "adminKey": 2}', 'null']) {
  test(`operator-keys.json with ${JSON.stringify(text)} in it is named with a remedy`, DEADLINE, async (t) => {
    const home = await temporaryFolder(t);
    writeFileSync(join(home, 'operator-keys.json'), text);
    assert.match(refused(home), /operator-keys\.json is damaged\. Remove it to have new keys created\.\n$/);
  });
}

test('a home that is a file is named with a remedy', async (t) => {
  const home = join(await temporaryFolder(t), 'home');
  writeFileSync(home, '');
  assert.match(refused(home), /home is not writable \(EEXIST\)\. .* choose another folder with --home\.\n$/);
});

const isRoot = process.getuid?.() === 0;
const canDrop = isRoot && spawnSync('setpriv', ['--reuid', '65534', '--clear-groups', 'true']).status === 0;
test('a home of another user is named with a remedy', {
  skip: canDrop ? false : 'needs root and setpriv',
}, async (t) => {
  const home = await temporaryFolder(t);
  const command = [process.execPath, CONCLAVE, 'start', '--home', home, '--port', '0'];
  const { status, stderr } = spawnSync('setpriv', ['--reuid', '65534', '--clear-groups', ...command], {
    encoding: 'utf8',
  });
  assert.equal(status, 1);
  assert.match(stderr, /is not writable \(EACCES\)\. .* choose another folder with --home\.\n$/);
});

test('a full disk is named with a remedy', DEADLINE, async (t) => {
  const home = await temporaryFolder(t);
  if (!isRoot || spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', home]).status !== 0) {
    return t.skip('a filesystem can be mounted by root only');
  }
  const message = refused(home);
  spawnSync('umount', [home]);
  assert.match(message, /The disk of .* has .* free, but queues and logs need .*\. Free some space, or choose another/);
});

for (const script of ['infra/cli/conclave.mjs', 'infra/build/run-built.mjs', 'infra/build/build.mjs']) {
  test(`${script} on Node 18 names the version that it needs`, async (t) => {
    const preload = join(await temporaryFolder(t), 'older.cjs');
    writeFileSync(preload, `Object.defineProperty(process, 'versions', { value: { node: '18.20.4' } });`);
    const args = ['--require', preload, join(REPOSITORY_ROOT, script), '--help'];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    assert.equal(status, 1);
    assert.match(stderr, /^Conclave needs Node 20 or newer, and this is 18\.20\.4\./);
  });
}
