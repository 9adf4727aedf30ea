// From folders on disk to packs and sessions: what is built, when, and what happens to files that are damaged or foreign.
import assert from 'node:assert/strict';
import { cp, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { createModelSession, loadModel } from '../../../workers/model/load-model.ts';
import type { OpenedPacks } from '../../../workers/pack/open-packs.ts';
import { removeOldPacks } from '../../../workers/pack/pack-folder.ts';
import type { PackId } from '../../../workers/pack/pack-format.ts';
import { readPackHeader } from '../../../workers/pack/read-pack-header.ts';
import { readSlabTable } from '../../../workers/pack/slab-table.ts';
import { verifyPacks } from '../../../workers/pack/verify-packs.ts';
import { syntheticModel } from '../../synthetic-model.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

interface Loaded {
  readonly folder: string;
  /** File names of the packs that had to be built. */
  readonly built: readonly string[];
  readonly logits: Float32Array;
}

/** Loads a model, computes the logits of three tokens with it when it is whole, and closes it. */
async function load(folder: string, home: string, packs: readonly PackId[] | 'all' = 'all'): Promise<Loaded> {
  const built = new Set<string>();
  const events = {
    onProgress: ({ what }: { what: string }) => {
      if (what.startsWith('Building ')) built.add(what.slice('Building '.length));
    },
    onWait: () => undefined,
  };
  const opened = await loadModel({ folder, home, packs, events });
  try {
    return {
      folder: opened.folder,
      built: [...built],
      logits: packs === 'all' ? await logitsOf(opened) : new Float32Array(),
    };
  } finally {
    opened.close();
  }
}

async function logitsOf(packs: OpenedPacks): Promise<Float32Array> {
  const session = await createModelSession(packs, { backend: 'cpu', threads: 1, kvBlocks: 1, maxRows: 8, variant: '' });
  try {
    const logits = new Float32Array(packs.description.vocab);
    const batch = {
      tokens: Int32Array.of(5, 200, 17),
      positions: Int32Array.of(0, 1, 2),
      sequences: new Int32Array(3),
      blockTables: Int32Array.of(0),
      blockTableWidth: 1,
      logitRows: Int32Array.of(2),
    };
    await session.step(batch, logits);
    return logits;
  } finally {
    await session.close();
  }
}

/** Of the small model: two layers of three experts, ids 0 to 5. */
const ALL = ['shared.pack', 'layer-000-0.slab', 'layer-001-0.slab'];

test('packs are built once; afterwards the same logits come from them', async (t) => {
  const home = await temporaryFolder(t);
  const folder = await syntheticModel(home, 'model');
  const first = await load(folder, home);
  assert.deepEqual(first.built, ALL);
  assert.ok(first.logits.every(Number.isFinite) && new Set(first.logits).size > 100);
  const second = await load(folder, home);
  assert.deepEqual(second.built, []);
  assert.deepEqual(second.logits, first.logits);
});

test('packs are enough: the checkpoint may be gone, and they may lie anywhere', async (t) => {
  const home = await temporaryFolder(t);
  const folder = await syntheticModel(home, 'model');
  const first = await load(folder, home);
  await rm(folder, { recursive: true });
  await cp(first.folder, join(home, 'moved'), { recursive: true });
  const moved = await load(join(home, 'moved'), home);
  assert.deepEqual(moved.logits, first.logits);
});

test('only the packs asked for are built, the others when they are wanted', async (t) => {
  const home = await temporaryFolder(t);
  const folder = await syntheticModel(home, 'model');
  assert.deepEqual((await load(folder, home, [1])).built, ['layer-000-0.slab']);
  const rest = ['shared.pack', 'layer-000-1.slab', 'layer-001-0.slab'];
  const both = await load(folder, home);
  assert.deepEqual(both.built, rest);
  // What is not held is not stored: the first slab has one slot, the second the other two of its layer.
  const sizes = await Promise.all(
    ['layer-000-0', 'layer-000-1'].map((name) => stat(join(both.folder, `${name}.slab`))),
  );
  assert.equal(sizes[1]?.size, 2 * (sizes[0]?.size ?? 0));
});

test('shards give the packs that a single file gives', async (t) => {
  const home = await temporaryFolder(t);
  const single = await load(await syntheticModel(home, 'single'), home);
  const folder = await syntheticModel(home, 'sharded', { shardBytes: 40_000 });
  assert.ok((await readdir(folder)).filter((name) => name.endsWith('.safetensors')).length > 2);
  const sharded = await load(folder, home);
  assert.deepEqual(sharded.logits, single.logits);
  const [a, b] = await Promise.all([single, sharded].map((one) => readPackHeader(join(one.folder, 'shared.pack'))));
  assert.deepEqual(a?.header.sections, b?.header.sections);
  const [slabs, others] = await Promise.all([single, sharded].map((one) => readSlabTable(one.folder)));
  assert.deepEqual(slabs?.slabs, others?.slabs);
});

test('weights that begin at an odd byte of their file give the same logits', async (t) => {
  const home = await temporaryFolder(t);
  const folder = await syntheticModel(home, 'model');
  const aligned = await load(folder, home);
  const path = join(folder, 'model.safetensors');
  const bytes = await readFile(path);
  const headerEnd = 8 + Number(bytes.readBigUInt64LE(0));
  bytes.writeBigUInt64LE(BigInt(headerEnd - 8 + 1));
  await writeFile(path, Buffer.concat([bytes.subarray(0, headerEnd), Buffer.from(' '), bytes.subarray(headerEnd)]));
  const odd = await load(folder, home);
  assert.deepEqual(odd.built, ALL);
  assert.deepEqual(odd.logits, aligned.logits);
});

test('a checkpoint whose weights changed gets packs of its own', async (t) => {
  const home = await temporaryFolder(t);
  const folder = await syntheticModel(home, 'model');
  const first = await load(folder, home);
  await cp(await syntheticModel(home, 'other', { seed: 2 }), folder, { recursive: true });
  const second = await load(folder, home);
  assert.deepEqual(second.built, ALL);
  assert.notDeepEqual(second.logits, first.logits);
});

test('a pack that is damaged, and slabs that are cut short or empty are built again', async (t) => {
  const home = await temporaryFolder(t);
  const folder = await syntheticModel(home, 'model');
  const first = await load(folder, home);
  const path = (name: string): string => join(first.folder, name);
  await truncate(path('layer-000-0.slab'), (await stat(path('layer-000-0.slab'))).size - 1);
  await writeFile(path('layer-001-0.slab'), '');
  const header = await readFile(path('shared.pack'));
  header.write('garbage', 100);
  await writeFile(path('shared.pack'), header);
  const second = await load(folder, home);
  assert.deepEqual(second.built, ALL);
  assert.deepEqual(second.logits, first.logits);
});

test('what a build left behind when it was interrupted is removed by the next', async (t) => {
  const home = await temporaryFolder(t);
  const folder = await syntheticModel(home, 'model');
  const first = await load(folder, home, [0]);
  await writeFile(join(first.folder, 'shared.pack.0a.tmp'), 'half');
  await writeFile(join(first.folder, 'layer-001-4.slab'), 'half');
  await load(folder, home);
  const slabs = ['layer-000-0.slab', 'layer-000-1.slab', 'layer-001-0.slab', 'slabs.json'];
  assert.deepEqual((await readdir(first.folder)).sort(), ['build.lock', 'shared.pack', ...slabs].sort());
});

test('two that start at once build each pack once', async (t) => {
  const home = await temporaryFolder(t);
  const folder = await syntheticModel(home, 'model');
  const [a, b] = await Promise.all([load(folder, home), load(folder, home)]);
  assert.deepEqual([...a.built, ...b.built].sort(), [...ALL].sort());
  assert.deepEqual(a.logits, b.logits);
});

test('what is missing or damaged without its checkpoint is an error that names the file', async (t) => {
  const home = await temporaryFolder(t);
  const { folder } = await load(await syntheticModel(home, 'model'), home);
  const table = join(folder, 'slabs.json');
  await truncate(join(folder, 'layer-001-0.slab'), 1000);
  await assert.rejects(load(folder, home), {
    code: 'bad_pack',
    message: `${table} names no whole slot with expert 0 of layer 1`,
  });
  await truncate(table, 1000);
  await assert.rejects(load(folder, home), { code: 'bad_pack', message: `${table} is damaged or of another version` });
  await rm(table);
  const path = join(folder, 'shared.pack');
  await truncate(path, 1000);
  await assert.rejects(load(folder, home), {
    code: 'bad_pack',
    message: `${path} has a damaged header: its checksum does not match`,
  });
});

test('packs of two checkpoints in one folder are refused', async (t) => {
  const home = await temporaryFolder(t);
  const a = await load(await syntheticModel(home, 'a'), home);
  const b = await load(await syntheticModel(home, 'b', { seed: 2 }), home);
  await cp(join(b.folder, 'slabs.json'), join(a.folder, 'slabs.json'));
  await assert.rejects(load(a.folder, home), {
    code: 'bad_pack',
    message: `${join(a.folder, 'slabs.json')} was made from another checkpoint than ${join(a.folder, 'shared.pack')}`,
  });
});

test('verification reads every byte and names the damaged section', async (t) => {
  const home = await temporaryFolder(t);
  const { folder } = await load(await syntheticModel(home, 'model'), home);
  assert.deepEqual(await verifyPacks(folder, () => undefined), { shared: true, experts: 6 });
  for (const [name, part] of [
    ['layer-001-0.slab', 'expert 2 of layer 1'],
    ['shared.pack', 'lmHead'],
  ] as const) {
    const path = join(folder, name);
    const bytes = await readFile(path);
    const weight = bytes.findLastIndex((byte) => byte !== 0);
    bytes[weight] = (bytes[weight] ?? 0) ^ 1;
    await writeFile(path, bytes);
    await assert.rejects(
      verifyPacks(folder, () => undefined),
      (thrown: Error) =>
        thrown.message.startsWith(`${path} is damaged: the checksum of ${part} does not match; delete the file`),
    );
  }
});

test('packs of older versions are deleted, and nothing else', async (t) => {
  const home = await temporaryFolder(t);
  const { folder } = await load(await syntheticModel(home, 'model'), home);
  const hash = 'ab'.repeat(16);
  const old = [`${hash}-v2`, `${hash}-layout1-bf16`].map((name) => join(home, 'packs', name));
  const other = [`${hash}-v999`, 'notes'].map((name) => join(home, 'packs', name));
  for (const path of [...old, ...other]) await mkdir(path);
  await writeFile(join(old[0] ?? '', 'expert-000.pack'), 'weights');
  assert.deepEqual([...(await removeOldPacks(home))].sort(), old.toSorted());
  assert.deepEqual(
    (await readdir(join(home, 'packs'))).sort(),
    [...other.map((path) => basename(path)), basename(folder), 'source-hashes.json'].sort(),
  );
});

test('what is neither a checkpoint nor a folder of packs is refused', async (t) => {
  const home = await temporaryFolder(t);
  await writeFile(join(home, 'model.safetensors'), '');
  for (const [name, message] of [
    ['nothing', `${join(home, 'nothing', 'config.json')} does not exist; name a model folder, which has one`],
    ['model.safetensors', `${join(home, 'model.safetensors')} is a file; name the folder of the model`],
  ] as const) {
    await assert.rejects(load(join(home, name), home), { code: 'bad_config', message });
  }
});

test('a home that cannot be written is refused', async (t) => {
  const home = await temporaryFolder(t);
  const folder = await syntheticModel(home, 'model');
  await writeFile(join(home, 'file'), '');
  await assert.rejects(load(folder, join(home, 'file')), {
    code: 'bad_pack',
    message: `${join(home, 'file', 'packs')} cannot be created: packs are written there`,
  });
});
