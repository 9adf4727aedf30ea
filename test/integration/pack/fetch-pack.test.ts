// A node without a checkpoint gets its packs from other nodes.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadModel } from '../../../workers/model/load-model.ts';
import { openModelFolder, openPeerModel } from '../../../workers/model/model-source.ts';
import { servePacks } from '../../../workers/pack/serve-packs.ts';

import { syntheticModel } from '../../synthetic-model.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

const TOKEN = 'secret';
const silent = { onProgress: () => {}, onWait: () => {} };

/** A node that has all packs, and the home of one that has none. */
async function nodes(test: TestContext) {
  const [home, emptyHome] = [await temporaryFolder(test), await temporaryFolder(test)];
  const checkpoint = await syntheticModel(home, 'model');
  (await loadModel({ folder: checkpoint, home, packs: 'all', events: silent })).close();
  const source = await openModelFolder(checkpoint, home, silent, () => assert.fail('a checkpoint needs no peers'));
  const served = await servePacks({ folder: source.packFolder, model: source.packed, host: '127.0.0.1', token: TOKEN });
  test.after(() => served.close());
  return { source, emptyHome, url: served.url };
}

function peers(...urls: readonly string[]) {
  return async () => ({ urls, token: TOKEN });
}

/** A server that sends `bytes` bytes of a file, then cuts the connection. */
async function cutAfter(test: TestContext, path: string, bytes: number): Promise<string> {
  const content = await readFile(path);
  const server = createServer((_, response) => {
    response.writeHead(206, { 'content-range': `bytes 0-${content.length - 1}/${content.length}` });
    response.write(content.subarray(0, bytes), () => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  test.after(async () => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('fetches what it is to hold, with progress, byte for byte', async (t) => {
  const { source, emptyHome, url } = await nodes(t);
  const fetched = await openPeerModel(emptyHome, peers(url));
  assert.deepEqual(fetched.description, source.description);
  assert.deepEqual(fetched.packed, source.packed);
  const seen: number[] = [];
  await fetched.provide(['shared', 2], { ...silent, onProgress: ({ done, total }) => seen.push(done / total) });
  assert.ok(seen.includes(1));
  for (const name of ['shared.pack', 'expert-002.pack']) {
    const [theirs, ours] = await Promise.all(
      [source, fetched].map(({ packFolder }) => readFile(join(packFolder, name))),
    );
    assert.ok(theirs?.equals(ours ?? Buffer.alloc(0)), name);
  }
});

test('goes on at the next node where one breaks off', async (t) => {
  const { source, emptyHome, url } = await nodes(t);
  const dying = await cutAfter(t, join(source.packFolder, 'expert-001.pack'), 20_000);
  const fetched = await openPeerModel(emptyHome, async (pack) => ({
    urls: pack === null ? [url] : [dying, url],
    token: TOKEN,
  }));
  await fetched.provide([1], silent);
  const name = 'expert-001.pack';
  assert.deepEqual(await readFile(join(fetched.packFolder, name)), await readFile(join(source.packFolder, name)));
});

test('refuses what does not match its checksums, and keeps nothing of it', async (t) => {
  const { source, emptyHome, url } = await nodes(t);
  const path = join(source.packFolder, 'expert-000.pack');
  const file = await open(path, 'r+');
  await file.write(Buffer.of(0xff, 0xfe), 0, 2, (await file.stat()).size - 20_000);
  await file.close();
  const fetched = await openPeerModel(emptyHome, peers(url));
  await assert.rejects(fetched.provide([0], silent), { code: 'bad_pack', message: /is damaged: the checksum of/ });
  await assert.rejects(readFile(join(fetched.packFolder, 'expert-000.pack')), { code: 'ENOENT' });
});

test('says what each node answered when none gives it', async (t) => {
  const { emptyHome, url } = await nodes(t);
  const stranger = async () => ({ urls: [url, 'http://127.0.0.1:1'], token: 'wrong' });
  await assert.rejects(openPeerModel(emptyHome, stranger), {
    code: 'unavailable',
    message: `No node gives its model: ${url} answers 401; http://127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1.`,
  });
  const fetched = await openPeerModel(emptyHome, async (pack) => ({ urls: pack === null ? [url] : [], token: TOKEN }));
  await assert.rejects(fetched.provide([0], silent), {
    code: 'unavailable',
    message: 'No node gives expert-000.pack: no node of the group has packs to give.',
  });
});

test('gives nothing but packs', async (t) => {
  const { url } = await nodes(t);
  const headers = { authorization: `Bearer ${TOKEN}` };
  for (const path of ['/', '/source-hashes.json', '/..%2f..%2fmodel', '/expert-009.pack', '/canary-cpu.sha256']) {
    assert.equal((await fetch(`${url}${path}`, { headers })).status, 404, path);
  }
  assert.equal((await fetch(`${url}/shared.pack`)).status, 401);
  assert.equal((await fetch(`${url}/shared.pack`, { method: 'PUT', headers })).status, 405);
});
