// Slots are filled in an order that makes it safe to stop at any point, and overwritten only where no other process uses them.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { countExperts, placeOfExpert } from '../../../native/model-description.ts';
import { ModelSession } from '../../../native/model-session.ts';
import { LoadedModel } from '../../../workers/cluster/loaded-model.ts';
import { attachPacks, loadModel } from '../../../workers/model/load-model.ts';
import { openModelFolder } from '../../../workers/model/model-source.ts';
import { type Eviction, fillSlots } from '../../../workers/pack/fill-slots.ts';
import { FolderUse } from '../../../workers/pack/folder-use.ts';
import { readSlabTable } from '../../../workers/pack/slab-table.ts';
import { slotLayout } from '../../../workers/pack/slot-layout.ts';
import { writeAt } from '../../../workers/pack/write-file-atomically.ts';
import { batchOf, logitsOfStep } from '../../local-group.ts';
import { syntheticModel } from '../../synthetic-model.ts';
import { temporaryFolder } from '../../temporary-folder.ts';
import { SMALL_MODEL } from '../../unit/model/small-model.ts';

const ALL = [...Array(countExperts(SMALL_MODEL)).keys()];
const SOURCE_HASH = 'ab'.repeat(32);

function bytesOf(id: number): Buffer {
  return Buffer.alloc(slotLayout(SMALL_MODEL, id).dataBytes, id + 1);
}

/** Fills with bytes that tell the expert; fails after this many experts, in the middle of the next. */
async function fill(folder: string, ids: readonly number[], eviction: Eviction | null, failAfter = Infinity) {
  let written = 0;
  const source = {
    verb: 'Building' as const,
    write: async (id: number, file: Parameters<typeof writeAt>[0], position: number) => {
      const bytes = bytesOf(id);
      if (written === failAfter) {
        await writeAt(file, bytes.subarray(0, 100), position);
        throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
      }
      written += 1;
      await writeAt(file, bytes, position);
      return createHash('sha256').update(bytes).digest('hex');
    },
  };
  const facts = { model: SMALL_MODEL, sourceHash: SOURCE_HASH, config: '{}', onProgress: () => {} };
  await fillSlots({ folder, ids, source, eviction, ...facts });
}

/** The ids whose slots the table names; each must hold what was written for it. */
async function named(folder: string): Promise<number[]> {
  const { slabs = [] } = (await readSlabTable(folder)) ?? {};
  const ids = ALL.filter((id) => {
    const { layer, expert } = placeOfExpert(SMALL_MODEL, id);
    return slabs.some((slab) => slab.layer === layer && slab.experts.includes(expert));
  });
  for (const { file, layer, slotBytes, experts } of slabs) {
    const bytes = await readFile(join(folder, file));
    assert.equal(bytes.length, slotBytes * experts.length);
    for (const [slot, expert] of experts.entries()) {
      if (expert === null) continue;
      const id = ALL.find((one) => {
        const place = placeOfExpert(SMALL_MODEL, one);
        return place.layer === layer && place.expert === expert;
      });
      assert.ok(
        bytes
          .subarray(slot * slotBytes)
          .subarray(0, bytesOf(id ?? 0).length)
          .equals(bytesOf(id ?? 0)),
      );
    }
  }
  return ids;
}

test('a fill that stops anywhere leaves whole slots only, says what the disk lacks, and is completed by the next', async (t) => {
  for (const failAfter of [0, 1, 2, 3]) {
    const folder = await temporaryFolder(t);
    await fill(folder, [0, 3], null);
    const use = FolderUse.register(folder);
    assert.ok(use !== null);
    const eviction = { use, keep: new Set([0, 1, 2, 4, 5]) };
    const message = /the disk filled up: the slab takes \d+ bytes, and \d+ are free/;
    await assert.rejects(fill(folder, [1, 2, 4, 5], eviction, failAfter), { code: 'unavailable', message });
    const left = await named(folder);
    assert.ok(left.includes(0) && !left.includes(3), 'what must stay is there, what gave way is not');
    const files = (await readdir(folder)).filter((name) => name.endsWith('.slab'));
    const table = await readSlabTable(folder);
    assert.deepEqual(files.sort(), table?.slabs.map(({ file }) => file).sort(), 'no slab without a whole slot is left');
    await fill(folder, [1, 2, 4, 5], eviction);
    assert.deepEqual(await named(folder), [0, 1, 2, 4, 5]);
    use.release();
  }
});

test('nothing is overwritten while another process uses the folder; one that died is no reason to wait', async (t) => {
  const folder = await temporaryFolder(t);
  await fill(folder, [0, 1], null);
  const [use, other] = [FolderUse.register(folder), FolderUse.register(folder)];
  assert.ok(use !== null && other !== null);
  await fill(folder, [2], { use, keep: new Set([2]) });
  assert.deepEqual(await named(folder), [0, 1, 2]);
  other.release();
  await fill(folder, [3], { use, keep: new Set([3]) });
  assert.deepEqual(await named(folder), [0, 1, 2, 3], 'another layer has no slots to give');
  assert.ok(use.isAlone());
});

test('an expert that comes takes the slot of one that went, and computes the same bits', async (t) => {
  const home = await temporaryFolder(t);
  const events = { onProgress: () => {}, onWait: () => {} };
  const checkpoint = await syntheticModel(home, 'model');
  const source = await openModelFolder(checkpoint, home, events, () => assert.fail('a checkpoint needs no peers'));
  const limits = { backend: 'cpu', threads: 1, kvBlocks: 4, maxRows: 8, variant: '' } as const;
  const held = new LoadedModel(source, ModelSession.create(source.description, limits));
  t.after(() => held.close());
  const slots = async () => (await readSlabTable(source.packFolder))?.slabs.map(({ experts }) => experts);
  await held.load({ shared: true, experts: [0, 1, 3, 4] }, events);
  await held.drop([1, 4]);
  assert.deepEqual(await slots(), [
    [0, 1],
    [0, 1],
  ]);
  await held.load({ shared: false, experts: [2, 5] }, events);
  assert.deepEqual(await slots(), [
    [0, 2],
    [0, 2],
  ]);
  assert.deepEqual([held.experts, held.files.length], [[0, 2, 3, 5], 3]);
  await held.load({ shared: false, experts: [1, 4] }, events);
  const packs = await loadModel({ folder: checkpoint, home, packs: 'all', events });
  const alone = ModelSession.create(packs.description, limits);
  t.after(async () => {
    await alone.close();
    packs.close();
  });
  attachPacks(alone, packs);
  const batch = batchOf([{ sequence: 0, tokens: [5, 200, 17], from: 0 }], 1);
  const { vocab } = packs.description;
  assert.deepEqual(await logitsOfStep(held.session, batch, vocab), await logitsOfStep(alone, batch, vocab));
  // Its files are in use by the second session: what comes now gets slots of its own.
  await held.drop([0, 3]);
  assert.deepEqual(await slots(), [[0, 2], [0, 2], [1], [1]]);
});
