// Where a node's weights come from: a checkpoint, a folder of packs, or other nodes. In: a folder or peers, and what is wanted.
// Out: a folder that has it, built or fetched where it was missing.
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type BuildEvents, buildPacks, locatePacks } from '../pack/build-packs.ts';
import { checkPack } from '../pack/check-pack.ts';
import { type FindPeers, fetchPackedModel, fetchSharedPack, peerSlots } from '../pack/fetch-pack.ts';
import { type Eviction, fillSlots, holdsSlots } from '../pack/fill-slots.ts';
import { describePackFolder } from '../pack/open-packs.ts';
import { packFolder, SHARED_PACK_FILE } from '../pack/pack-folder.ts';
import { badPack, type PackId } from '../pack/pack-format.ts';
import { acquirePackLock } from '../pack/pack-lock.ts';
import type { PackedModel } from '../pack/serve-packs.ts';
import { describeCheckpoint } from './describe-checkpoint.ts';
import { familyOf } from './families/model-families.ts';
import { holdsPacks } from './find-packs.ts';
import { parseModelConfig } from './read-model-config.ts';
import type { StoredModel } from './stored-model.ts';

export interface ModelSource {
  readonly description: StoredModel;
  /** What it is, for other nodes; `modelHash` is the SHA-256 of the checkpoint's files. */
  readonly packed: PackedModel;
  /** Where its packs are or will be. */
  readonly packFolder: string;
  /**
   * Sees to it that the folder has these. Slots are overwritten as `eviction` allows; null: none. Throws DomainError:
   * `bad_checkpoint` or `bad_pack` naming the file at fault, `unavailable` if there is no room to build, or no node to fetch from.
   */
  provide(packs: readonly PackId[], eviction: Eviction | null, events: BuildEvents): Promise<void>;
}

/**
 * The model in a folder. What a pack folder lacks comes from `findPeers`, what a checkpoint lacks is built below
 * `<home>/packs`. Throws DomainError naming what is wrong with the files.
 */
export async function openModelFolder(
  folder: string,
  home: string,
  events: BuildEvents,
  findPeers: FindPeers,
): Promise<ModelSource> {
  if (!holdsPacks(folder)) return checkpointSource(folder, home, events);
  const { description, packed } = await describePackFolder(folder);
  return packSource(description, packed, folder, findPeers);
}

/** The model that other nodes serve; its packs are kept below `<home>/packs`. Throws `unavailable` when none answers. */
export async function openPeerModel(home: string, findPeers: FindPeers): Promise<ModelSource> {
  const packed = await fetchPackedModel(await findPeers(null));
  const config = parseModelConfig(packed.config, 'config.json of the group');
  const { modelHash, activations, formats } = packed;
  const description = { ...familyOf(config).outline(config), activations, formats };
  return packSource(description, packed, packFolder(home, modelHash), findPeers);
}

async function checkpointSource(folder: string, home: string, events: BuildEvents): Promise<ModelSource> {
  const checkpoint = await describeCheckpoint(folder);
  const { description, config } = checkpoint;
  const located = await locatePacks(checkpoint, home, events.onProgress);
  return {
    description,
    packed: {
      modelHash: located.sourceHash,
      activations: description.activations,
      formats: description.formats,
      config: config.text,
    },
    packFolder: located.folder,
    provide: async (packs, eviction, wanted) =>
      void (await buildPacks({ checkpoint, home, packs, eviction, events: wanted })),
  };
}

function packSource(description: StoredModel, packed: PackedModel, folder: string, findPeers: FindPeers): ModelSource {
  return {
    description,
    packed,
    packFolder: folder,
    provide: async (packs, eviction, events) => {
      const ids = packs.filter((pack) => pack !== 'shared');
      if (packs.includes('shared')) await fetchShared(folder, packed.modelHash, findPeers, events);
      if (await holdsSlots(folder, description, packed.modelHash, ids)) return;
      await whileLocked(folder, events, () =>
        fillSlots({
          ...{ folder, model: description, sourceHash: packed.modelHash, config: packed.config, ids, eviction },
          source: peerSlots(description, packed.modelHash, findPeers),
          onProgress: events.onProgress,
        }),
      );
    },
  };
}

// Nodes of one home fetch it once: the second one finds it there when it has the lock.
async function fetchShared(
  folder: string,
  modelHash: string,
  findPeers: FindPeers,
  events: BuildEvents,
): Promise<void> {
  const path = join(folder, SHARED_PACK_FILE);
  if (existsSync(path)) return;
  await whileLocked(folder, events, async () => {
    if (existsSync(path)) return;
    await fetchSharedPack(path, await findPeers('shared'), events.onProgress);
    const { header } = await checkPack(path);
    if (header.sourceHash !== modelHash) throw badPack(path, 'was made from another checkpoint than the group serves');
  });
}

async function whileLocked(folder: string, events: BuildEvents, task: () => Promise<void>): Promise<void> {
  await mkdir(folder, { recursive: true });
  const release = await acquirePackLock(folder, events.onWait);
  try {
    await task();
  } finally {
    release();
  }
}
