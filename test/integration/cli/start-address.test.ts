// Where `conclave start` listens, what it calls its model and where its home may lie.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { request } from 'undici';
import type { ReadyFile } from '../../../infra/cli/supervise/run-cluster.ts';
import { runConclaveBeside } from '../../run-conclave.ts';
import { cleanupInReverse, prepareHome } from '../../start-cluster.ts';
import { START_COMMAND, startConclave } from '../../start-conclave.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

const DEADLINE = { timeout: 120_000 };

async function canListen(host: string): Promise<boolean> {
  const server = createServer().listen(0, host);
  const listening = await Promise.race([once(server, 'listening').then(() => true), once(server, 'error')]);
  server.close();
  return listening === true;
}

/** Of the models that are served at this URL. */
async function servedModels({ url, apiKey }: ReadyFile): Promise<readonly string[]> {
  const answer = await request(`${url}/v1/models`, { headers: { authorization: `Bearer ${apiKey}` } });
  const { data } = (await answer.body.json()) as { readonly data: readonly { readonly id: string }[] };
  return data.map(({ id }) => id);
}

const hasOtherLoopback = await canListen('127.0.0.2');
test('it listens where --host says, on a home and a model with unusual paths', {
  ...DEADLINE,
  skip: hasOtherLoopback ? false : '127.0.0.2 is not an address of this machine',
}, async (t) => {
  const cleanup = cleanupInReverse(t);
  const prepared = await prepareHome(cleanup);
  const paths = { home: join(prepared.home, 'a #1 ?%41 ü'), modelFolder: `${prepared.modelFolder}/../tiny/.` };
  const conclave = startConclave(cleanup, { ...prepared, ...paths }, [...START_COMMAND, '--host', '127.0.0.2']);
  const ready = await Promise.race([conclave.ready(), conclave.ended.then(() => assert.fail(conclave.said()))]);
  assert.equal(ready.model, 'tiny');
  assert.match(ready.url, /^http:\/\/127\.0\.0\.2:\d+$/);
  assert.deepEqual(await servedModels(ready), ['tiny']);
  await assert.rejects(request(ready.url.replace('127.0.0.2', '127.0.0.1')), { code: 'ECONNREFUSED' });
});

const hasIpv6 = await canListen('::1');
test('an address for all of IPv6 is printed as one that can be reached, and the model has the name that it is given', {
  ...DEADLINE,
  skip: hasIpv6 ? false : 'this machine has no IPv6',
}, async (t) => {
  const cleanup = cleanupInReverse(t);
  const prepared = await prepareHome(cleanup);
  const command = [...START_COMMAND, '--host', '[::]', '--served-model-name', 'us/tiny-1'];
  const conclave = startConclave(cleanup, prepared, command);
  const ready = await Promise.race([conclave.ready(), conclave.ended.then(() => assert.fail(conclave.said()))]);
  assert.match(ready.url, /^http:\/\/\[::1\]:\d+$/);
  assert.equal(ready.model, 'us/tiny-1');
  assert.deepEqual(await servedModels(ready), ['us/tiny-1']);
});

test('an address that this machine does not have is named with a remedy', DEADLINE, async (t) => {
  const home = await temporaryFolder(t);
  const { status, stderr } = await runConclaveBeside('start', '--home', home, '--port', '0', '--host', '192.0.2.1');
  assert.equal(status, 1);
  assert.match(
    stderr,
    /Cannot listen on 192\.0\.2\.1:\d+: EADDRNOTAVAIL, the address does not belong to this machine: choose another with --host\.\n/,
  );
});

test('a port that is taken is named with a remedy', DEADLINE, async (t) => {
  const home = await temporaryFolder(t);
  const server = createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as { readonly port: number };
  const { status, stderr } = await runConclaveBeside('start', '--home', home, '--port', String(port));
  assert.equal(status, 1);
  assert.match(
    stderr,
    /Cannot listen on 127\.0\.0\.1:\d+: EADDRINUSE, the port is in use by another process: .*--port\.\n/,
  );
});
