// A node without a checkpoint gets its weights from other nodes.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadModel } from '../../../workers/model/load-model.ts';
import { openModelFolder, openPeerModel } from '../../../workers/model/model-source.ts';
import type { PackId } from '../../../workers/pack/pack-format.ts';
import { servePacks } from '../../../workers/pack/serve-packs.ts';
import { readSlabTable } from '../../../workers/pack/slab-table.ts';
import { verifyPacks } from '../../../workers/pack/verify-packs.ts';
import { syntheticModel } from '../../synthetic-model.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

const TOKEN = 'secret';
const silent = { onProgress: () => {}, onWait: () => {} };

/** A node that has everything, and the home of one that has nothing. */
async function nodes(test: TestContext) {
  const [home, emptyHome] = [await temporaryFolder(test), await temporaryFolder(test)];
  const checkpoint = await syntheticModel(home, 'model');
  (await loadModel({ folder: checkpoint, home, packs: 'all', events: silent })).close();
  const source = await openModelFolder(checkpoint, home, silent, () => assert.fail('a checkpoint needs no peers'));
  const { packFolder: folder, packed: model, description } = source;
  const served = await servePacks({ folder, model, description, host: '127.0.0.1', token: TOKEN });
  test.after(() => served.close());
  return { source, emptyHome, url: served.url };
}

/** The whole model comes from `url`, slots from `slots`. */
function peers(url: string, slots: readonly string[] = [url]) {
  return async (pack: PackId | null) => ({ urls: typeof pack === 'number' ? slots : [url], token: TOKEN });
}

/** Answers as `url` does, but ends after `bytes` bytes of a slot, with those that `change` makes of them. */
async function relay(
  test: TestContext,
  url: string,
  bytes: number,
  change: (sent: Buffer) => Buffer = (sent) => sent,
): Promise<string> {
  const server = createServer(async ({ url: path = '', headers }, response) => {
    const range = { authorization: headers.authorization ?? '', range: headers.range ?? '' };
    const answer = await fetch(`${url}${path}`, { headers: range });
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    const body = change(Buffer.from(await answer.arrayBuffer())).subarray(0, bytes);
    response.write(body, () => (body.length === bytes ? response.destroy() : response.end()));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  test.after(async () => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The bytes of a slot and its digest. */
async function slotOf(folder: string, layer: number, expert: number) {
  const table = await readSlabTable(folder);
  const slab = table?.slabs.find((one) => one.layer === layer && one.experts.includes(expert));
  assert.ok(slab !== undefined, `expert ${expert} of layer ${layer}`);
  const slot = slab.experts.indexOf(expert);
  const bytes = await readFile(join(folder, slab.file));
  return { bytes: bytes.subarray(slot * slab.slotBytes, (slot + 1) * slab.slotBytes), sha256: slab.sha256[slot] };
}

test('fetches what it is to hold, with progress, byte for byte, and stores nothing else', async (t) => {
  const { source, emptyHome, url } = await nodes(t);
  const fetched = await openPeerModel(emptyHome, peers(url));
  assert.deepEqual(fetched.description, source.description);
  assert.deepEqual(fetched.packed, source.packed);
  const seen: number[] = [];
  const events = {
    ...silent,
    onProgress: ({ done, total }: { done: number; total: number }) => seen.push(done / total),
  };
  await fetched.provide(['shared', 2, 4], null, events);
  assert.ok(seen.includes(1));
  const [theirs, ours] = await Promise.all(
    [source, fetched].map(({ packFolder }) => readFile(join(packFolder, 'shared.pack'))),
  );
  assert.ok(theirs?.equals(ours ?? Buffer.alloc(0)));
  for (const [layer, expert] of [
    [0, 2],
    [1, 1],
  ] as const) {
    assert.deepEqual(await slotOf(fetched.packFolder, layer, expert), await slotOf(source.packFolder, layer, expert));
  }
  const slots = (await readSlabTable(fetched.packFolder))?.slabs.map(({ experts }) => experts);
  assert.deepEqual(slots, [[2], [1]]);
});

test('goes on at the next node where one breaks off', async (t) => {
  const { source, emptyHome, url } = await nodes(t);
  const ranges: string[] = [];
  const dying = await relay(t, url, 20_000);
  const last = await relay(t, url, Number.MAX_SAFE_INTEGER, (sent) => {
    ranges.push(String(sent.length));
    return sent;
  });
  const fetched = await openPeerModel(emptyHome, peers(url, [dying, last]));
  await fetched.provide([1], null, silent);
  const slot = await slotOf(source.packFolder, 0, 1);
  assert.deepEqual(await slotOf(fetched.packFolder, 0, 1), slot);
  assert.deepEqual(ranges, [String(slot.bytes.length - 20_000)]);
});

test('takes from the next node what one sends damaged, and names no slot that never came right', async (t) => {
  const { emptyHome, url } = await nodes(t);
  const damaged = await relay(t, url, Number.MAX_SAFE_INTEGER, (sent) => {
    sent[100] = (sent[100] ?? 0) ^ 1;
    return sent;
  });
  const fetched = await openPeerModel(emptyHome, peers(url, [damaged, url]));
  await fetched.provide([0], null, silent);
  assert.deepEqual(await verifyPacks(fetched.packFolder, () => undefined), { shared: false, experts: 1 });
  const alone = await openPeerModel(emptyHome, peers(url, [damaged]));
  await assert.rejects(alone.provide([4], null, silent), {
    code: 'unavailable',
    message: `No node gives expert 1 of layer 1: ${damaged}: sends other bytes than its checksum says.`,
  });
  assert.deepEqual(await verifyPacks(fetched.packFolder, () => undefined), { shared: false, experts: 1 });
});

test('a shared pack that is damaged is refused, and nothing of it is kept', async (t) => {
  const { source, emptyHome, url } = await nodes(t);
  const file = await open(join(source.packFolder, 'shared.pack'), 'r+');
  await file.write(Buffer.of(0xff, 0xfe), 0, 2, (await file.stat()).size - 20_000);
  await file.close();
  const fetched = await openPeerModel(emptyHome, peers(url));
  const refused = { code: 'bad_pack', message: /is damaged: the checksum of/ };
  await assert.rejects(fetched.provide(['shared'], null, silent), refused);
  await assert.rejects(readFile(join(fetched.packFolder, 'shared.pack')), { code: 'ENOENT' });
});

test('says what each node answered when none gives it', async (t) => {
  const { emptyHome, url } = await nodes(t);
  const stranger = async () => ({ urls: [url, 'http://127.0.0.1:1'], token: 'wrong' });
  await assert.rejects(openPeerModel(emptyHome, stranger), {
    code: 'unavailable',
    message: `No node gives its model: ${url} answers 401; http://127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1.`,
  });
  const fetched = await openPeerModel(emptyHome, peers(url, []));
  await assert.rejects(fetched.provide([0], null, silent), {
    code: 'unavailable',
    message: 'No node gives expert 0 of layer 0: no node of the group has packs to give.',
  });
});

test('gives nothing but weights', async (t) => {
  const { url } = await nodes(t);
  const headers = { authorization: `Bearer ${TOKEN}` };
  for (const path of ['/', '/source-hashes.json', '/..%2f..%2fmodel', '/slots/6', '/slots/-1', '/slabs.json']) {
    assert.equal((await fetch(`${url}${path}`, { headers })).status, 404, path);
  }
  assert.equal((await fetch(`${url}/slots/0`)).status, 401);
  assert.equal((await fetch(`${url}/slots/0`, { method: 'PUT', headers })).status, 405);
});
