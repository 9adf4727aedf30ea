// Downloads from a hub that misbehaves: in the end the model is right, or the error names the file and nothing half is used.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DomainError } from '../../../infra/errors/domain-error.ts';
import { findSnapshot, repositoryFolder } from '../../../workers/hub/cache-layout.ts';
import type { HubAccess } from '../../../workers/hub/hub-access.ts';
import { type PullEvents, type PulledModel, pullModel } from '../../../workers/hub/pull-model.ts';
import { describeCheckpoint } from '../../../workers/model/describe-checkpoint.ts';
import { type HubServer, startHub } from '../../hub-server.ts';
import { syntheticModel } from '../../synthetic-model.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

const NAME = { repository: 'acme/tiny', revision: 'main' };
const FAST = { firstPauseMs: 1, pieceBytes: 20_000 };

interface Fixture {
  readonly hub: HubServer;
  readonly access: HubAccess;
  readonly model: string;
  /** Bytes that were still missing, as each download said before it began. */
  readonly missing: number[];
  pull(change?: Partial<HubAccess>): Promise<PulledModel>;
}

async function fixture(t: TestContext): Promise<Fixture> {
  const folder = await temporaryFolder(t);
  const model = await syntheticModel(folder, 'model', { like: 'qwen3_moe', shardBytes: 60_000 });
  const hub = await startHub({ after: (close) => t.after(close) }, NAME.repository, model);
  const access = { endpoint: hub.url, token: null, offline: false, cache: join(folder, 'cache') };
  const missing: number[] = [];
  const onPreview: PullEvents['onPreview'] = (_model, _bytes, rest) => void missing.push(rest);
  const events = { onPreview, onProgress: () => {}, onWait: () => {} };
  return {
    hub,
    access,
    model,
    missing,
    pull: (change = {}) => pullModel(NAME, { ...access, ...change }, events, FAST),
  };
}

function assertSame(folder: string, model: string): void {
  for (const name of readdirSync(folder)) {
    assert.ok(readFileSync(join(folder, name)).equals(readFileSync(join(model, name))), name);
  }
}

async function failure(pulling: Promise<unknown>): Promise<DomainError> {
  const thrown = await pulling.then(
    () => assert.fail('it was downloaded'),
    (reason: unknown) => reason,
  );
  assert.ok(thrown instanceof DomainError, String(thrown));
  return thrown;
}

/** Of weights, not of a header, which is read first. */
function isPiece(range: string): boolean {
  const [, from = '', end = ''] = /safetensors (\d+)-(\d+)$/.exec(range) ?? [];
  return from !== '' && Number(from) % FAST.pieceBytes === 0 && end !== '8';
}

test('a model is downloaded once, into the layout that other tools read, and can be opened', async (t) => {
  const { hub, access, model, pull } = await fixture(t);
  const { folder, commit } = await pull();
  assertSame(folder, model);
  assert.deepEqual((await describeCheckpoint(folder)).description, (await describeCheckpoint(model)).description);
  assert.equal(folder, join(access.cache, 'models--acme--tiny', 'snapshots', commit));
  assert.equal(readFileSync(join(access.cache, 'models--acme--tiny', 'refs', 'main'), 'utf8'), commit);
  const asked = hub.asked.length;
  await pull();
  assert.equal(hub.asked.length, asked, 'no file is asked for again');
  assert.deepEqual(await pull({ offline: true }), { commit, folder });
});

test('cut connections, refusals and waiting change nothing but the time', async (t) => {
  const { hub, model, pull } = await fixture(t);
  hub.faults.cut = (number) => number % 3 === 0;
  hub.faults.refuse = (number) => (number % 5 === 0 ? 429 : number % 7 === 0 ? 503 : null);
  assertSame((await pull()).folder, model);
});

test('a download that was interrupted goes on where it was', async (t) => {
  const { hub, access, model, missing, pull } = await fixture(t);
  hub.faults.refuse = () => (hub.asked.filter(isPiece).length >= 9 ? 503 : null);
  const { code, message } = await failure(pull());
  assert.equal(code, 'unavailable');
  assert.match(
    message,
    /acme\/tiny\/.* could not be downloaded from .*: status 503\. What was downloaded is kept; try again\./,
  );
  assert.equal(findSnapshot(access.cache, NAME), null, 'half a model is not found');
  const kept = new Set(hub.asked);
  delete hub.faults.refuse;
  hub.asked.length = 0;
  assertSame((await pull()).folder, model);
  const again = hub.asked.filter((range) => isPiece(range) && kept.has(range));
  const [first = 0, second = 0] = missing;
  assert.ok(second < first && second > 0, `${second} of ${first} bytes were missing`);
  assert.equal(again.length, 0, 'pieces that were there are not asked for again');
});

test('bytes with another hash than the hub names are not kept', async (t) => {
  const { hub, access, pull } = await fixture(t);
  hub.faults.alter = (name, bytes) => (name.endsWith('.safetensors') ? damaged(bytes) : bytes);
  const { code, message } = await failure(pull());
  assert.equal(code, 'bad_checkpoint');
  assert.match(message, /^acme\/tiny\/model-\S+\.safetensors: the hub's bytes have hash [0-9a-f]{64}, and it names/);
  assert.equal(findSnapshot(access.cache, NAME), null);
  const blobs = readdirSync(join(repositoryFolder(access.cache, NAME.repository), 'blobs'));
  for (const [hash] of message.matchAll(/[0-9a-f]{64}/g)) assert.ok(!blobs.some((name) => name.startsWith(hash)));
});

/** Its last byte is another. */
function damaged(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt8((copy.at(-1) ?? 0) ^ 1, copy.length - 1);
  return copy;
}

test('a file that is shorter than the hub lists is an error that names it', async (t) => {
  const { hub, pull } = await fixture(t);
  hub.faults.alter = (name, bytes) => (name.endsWith('.safetensors') ? bytes.subarray(0, bytes.length - 9) : bytes);
  assert.match((await failure(pull())).message, /acme\/tiny\/model-\S+ could not be downloaded/);
});

test('offline, a model that is not in the cache is an error', async (t) => {
  const { hub, pull } = await fixture(t);
  const { code, message } = await failure(pull({ offline: true }));
  assert.equal(code, 'not_found');
  assert.match(message, /^acme\/tiny is not in .*, and HF_HUB_OFFLINE forbids to download it\.$/);
  assert.deepEqual(hub.asked, []);
});

test('a revision that moved is downloaded as a new one, and the old one stays', async (t) => {
  const { hub, pull } = await fixture(t);
  const first = await pull();
  hub.put('generation_config.json', Buffer.from('{"temperature": 0.5}'));
  hub.asked.length = 0;
  const second = await pull();
  assert.notEqual(second.commit, first.commit);
  assert.ok(existsSync(join(first.folder, 'config.json')));
  assert.equal(readFileSync(join(second.folder, 'generation_config.json'), 'utf8'), '{"temperature": 0.5}');
  const pieces = hub.asked.filter(isPiece);
  assert.deepEqual(pieces, [], 'weights that stayed the same are not downloaded');
});

test('the token is sent to the hub and not to where files are stored', async (t) => {
  const { hub, model, pull } = await fixture(t);
  hub.faults.token = 'hf_secret';
  assert.match((await failure(pull())).message, /needs a token: accept its terms at .*acme\/tiny and set HF_TOKEN\./);
  assert.match((await failure(pull({ token: 'hf_other' }))).message, /The token gives no access to it/);
  assertSame((await pull({ token: 'hf_secret' })).folder, model);
  assert.deepEqual(hub.leaked, []);
});

test('two downloads of one model at once share the work', async (t) => {
  const { hub, model, pull } = await fixture(t);
  const [one, other] = await Promise.all([pull(), pull()]);
  assert.deepEqual(one, other);
  assertSame(one.folder, model);
  const pieces = hub.asked.filter(isPiece);
  assert.equal(new Set(pieces).size, pieces.length);
});

test('what cannot be served is refused before its weights are downloaded', async (t) => {
  const { hub, model, pull } = await fixture(t);
  const config = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8'));
  hub.put('config.json', Buffer.from(JSON.stringify({ ...config, model_type: 'unheard_of' })));
  const { code, message } = await failure(pull());
  assert.equal(code, 'bad_config');
  assert.match(message, /^acme\/tiny\/config\.json.*unheard_of/);
  assert.deepEqual(hub.asked.filter(isPiece), []);
});

test('an unknown name and an index that leads elsewhere are refused by name', async (t) => {
  const { hub, access, model, pull } = await fixture(t);
  const events = { onPreview: () => {}, onProgress: () => {}, onWait: () => {} };
  const unknown = pullModel({ repository: 'acme/none', revision: 'main' }, access, events, FAST);
  assert.match((await failure(unknown)).message, /has no acme\/none\. Check its name and revision\.$/);
  const index = JSON.parse(readFileSync(join(model, 'model.safetensors.index.json'), 'utf8'));
  const [tensor = ''] = Object.keys(index.weight_map);
  index.weight_map[tensor] = '../../etc/passwd';
  hub.put('model.safetensors.index.json', Buffer.from(JSON.stringify(index)));
  assert.match((await failure(pull())).message, /acme\/tiny has no \.\.\/\.\.\/etc\/passwd/);
});
