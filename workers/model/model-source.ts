// Where a node's weights come from: a checkpoint, a folder of packs, or other nodes. In: a folder or peers, and which packs
// are wanted. Out: a folder that has them, built or fetched where they were missing.
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type BuildEvents, buildPacks, locatePacks } from '../pack/build-packs.ts';
import { checkPack } from '../pack/check-pack.ts';
import { fetchPack, fetchPackedModel, type PackPeers } from '../pack/fetch-pack.ts';
import { packFileName, packFolder } from '../pack/pack-folder.ts';
import { badPack, type PackId } from '../pack/pack-format.ts';
import { acquirePackLock } from '../pack/pack-lock.ts';
import type { PackedModel } from '../pack/serve-packs.ts';
import { describeCheckpoint } from './describe-checkpoint.ts';
import { familyOf } from './families/model-families.ts';
import { packsIn } from './find-packs.ts';
import { parseModelConfig } from './read-model-config.ts';
import type { StoredModel } from './stored-model.ts';

export interface ModelSource {
  readonly description: StoredModel;
  /** What it is, for other nodes; `modelHash` is the SHA-256 of the checkpoint's files. */
  readonly packed: PackedModel;
  /** Where its packs are or will be. */
  readonly packFolder: string;
  /**
   * Sees to it that the folder has these packs. Throws DomainError: `bad_checkpoint` or `bad_pack` naming the file at fault,
   * `unavailable` if there is no room to build, or no node to fetch from.
   */
  provide(packs: readonly PackId[], events: BuildEvents): Promise<void>;
}

/** Nodes that may have a pack, asked for at the time of need. */
export type FindPeers = (pack: PackId | null) => Promise<PackPeers>;

/**
 * The model in a folder. Packs that a pack folder lacks come from `findPeers`, those that a checkpoint lacks are built below
 * `<home>/packs`. Throws DomainError naming what is wrong with the files.
 */
export async function openModelFolder(
  folder: string,
  home: string,
  events: BuildEvents,
  findPeers: FindPeers,
): Promise<ModelSource> {
  const [present] = await packsIn(folder);
  if (present === undefined) return checkpointSource(folder, home, events);
  const { description, header } = await checkPack(join(folder, packFileName(present)), present);
  const { sourceHash: modelHash, activations, formats, config } = header;
  return packSource(description, { modelHash, activations, formats, config }, folder, findPeers);
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
    provide: async (packs, wanted) => void (await buildPacks({ checkpoint, home, packs, events: wanted })),
  };
}

function packSource(description: StoredModel, packed: PackedModel, folder: string, findPeers: FindPeers): ModelSource {
  return {
    description,
    packed,
    packFolder: folder,
    provide: async (packs, events) => {
      for (const pack of packs) await fetchMissing(pack, folder, packed.modelHash, findPeers, events);
    },
  };
}

// Nodes of one home fetch a pack once: the second one finds it there when it has the lock.
async function fetchMissing(
  pack: PackId,
  folder: string,
  modelHash: string,
  findPeers: FindPeers,
  events: BuildEvents,
): Promise<void> {
  const path = join(folder, packFileName(pack));
  if (existsSync(path)) return;
  await mkdir(folder, { recursive: true });
  const release = await acquirePackLock(folder, events.onWait);
  try {
    if (existsSync(path)) return;
    await fetchPack(pack, path, await findPeers(pack), events.onProgress);
    const { header } = await checkPack(path, pack);
    if (header.sourceHash !== modelHash) throw badPack(path, 'was made from another checkpoint than the group serves');
  } finally {
    release();
  }
}
