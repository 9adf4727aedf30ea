// How `conclave node` finds its group: what it says while nothing answers, and where it takes the address from.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { CONCLAVE, runConclave, runConclaveBeside } from '../../run-conclave.ts';
import { eventually } from '../../start-cluster.ts';
import { startRedis } from '../../start-redis.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

const NO_MODEL = /conclave: No node of group main serves a model yet\./;

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { readonly port: number };
  server.close();
  await once(server, 'close');
  return port;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`an address that does not answer is named, and one ${signal} ends the wait`, { timeout: 60_000 }, async (t) => {
    const home = await temporaryFolder(t);
    const url = `redis://:secret@127.0.0.1:${await closedPort()}`;
    const child = spawn(process.execPath, [CONCLAVE, 'node', '--join', url, '--home', home]);
    t.after(() => child.kill('SIGKILL'));
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const ended = once(child, 'close');
    const notice = async () => said;
    await eventually('a notice', notice, (text) => /^Waiting for Redis at 127\.0\.0\.1:\d+ \(.+\)\.\n$/.test(text));
    child.kill(signal);
    assert.deepEqual(await ended, [0, null]);
    assert.doesNotMatch(said, /secret/);
  });
}

test('the address can come from a file or the environment', { timeout: 60_000 }, async (t) => {
  const [home, server] = [await temporaryFolder(t), await startRedis(t)];
  const file = join(home, 'join');
  writeFileSync(file, `${server.url}\n`);
  const named = await runConclaveBeside('node', '--join-file', file, '--home', home);
  assert.equal(named.status, 1);
  assert.match(named.stderr, NO_MODEL);
  for (const variable of ['CONCLAVE_JOIN', 'REDIS_URL']) {
    const child = spawn(process.execPath, [CONCLAVE, 'node', '--home', home], {
      env: { ...process.env, [variable]: server.url },
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    assert.deepEqual(await once(child, 'close'), [1, null]);
    assert.match(said, NO_MODEL);
  }
});

test('a join file that is missing, a folder or empty is named', async (t) => {
  const home = await temporaryFolder(t);
  const [missing, folder, empty] = ['missing', 'folder', 'empty'].map((name) => join(home, name)) as [
    string,
    string,
    string,
  ];
  mkdirSync(folder);
  writeFileSync(empty, '\n');
  for (const [file, why] of [
    [missing, 'cannot be read (ENOENT). Name a readable file with the Redis URL of the group in --join-file.'],
    [folder, 'cannot be read (EISDIR). Name a readable file with the Redis URL of the group in --join-file.'],
    [empty, 'is empty. Write the Redis URL of the group into it.'],
  ]) {
    const { status, stderr } = runConclave('node', '--join-file', file ?? '', '--home', home);
    assert.deepEqual([status, stderr], [1, `conclave: ${file} ${why}\n`]);
  }
});

test('an address with a malformed percent sign is refused without being repeated', () => {
  const { status, stderr } = runConclave('node', '--join', 'redis://:sec%ret@10.0.0.2');
  assert.equal(status, 1);
  assert.match(stderr, /^conclave: .*REDIS_URL but received a URL with a percent sign .*write it as %25\)\.\n$/);
  assert.doesNotMatch(stderr, /sec%ret/);
});
