// Makes what is missing of a pack folder. In: a described checkpoint and what is wanted. Out: the folder that has it all. An
// interrupted build leaves whole files and slots, and others that the next build removes.
import { mkdir, readdir, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { DescribedCheckpoint } from '../model/describe-checkpoint.ts';
import { type Checkpoint, openCheckpoint } from '../model/open-checkpoint.ts';
import { checkPack } from './check-pack.ts';
import { refuseOtherCopy } from './compare-tensors.ts';
import { type Eviction, fillSlots, holdsSlots } from './fill-slots.ts';
import { hashSource } from './hash-source.ts';
import { packFolder, packsRoot, SHARED_PACK_FILE } from './pack-folder.ts';
import { badPack, type PackId } from './pack-format.ts';
import { acquirePackLock, type LockOwner } from './pack-lock.ts';
import { placeSections } from './place-sections.ts';
import { countBytes, type OnProgress } from './progress.ts';
import { refuseFullDisk } from './refuse-full-disk.ts';
import { TEMPORARY_SUFFIX } from './write-file-atomically.ts';
import { writePack } from './write-pack.ts';
import { checkpointSlots } from './write-slot.ts';

export interface BuildEvents {
  readonly onProgress: OnProgress;
  /** Another process builds in the same folder: this one waits for it. */
  readonly onWait: (owner: LockOwner) => void;
}

export interface BuildRequest {
  readonly checkpoint: DescribedCheckpoint;
  /** The folder that holds `packs/`. */
  readonly home: string;
  readonly packs: readonly PackId[];
  /** Null: nothing that is there is overwritten. */
  readonly eviction: Eviction | null;
  readonly events: BuildEvents;
}

/**
 * Builds whatever of `request.packs` is missing or damaged and returns the pack folder. Throws DomainError: `unavailable`
 * when the disk is too small, `bad_checkpoint` when the source cannot be read, `bad_pack` when a file cannot be written.
 */
export async function buildPacks(request: BuildRequest): Promise<string> {
  const { checkpoint, home, packs, events } = request;
  const { folder, sourceHash } = await locatePacks(checkpoint, home, events.onProgress);
  const ids = packs.filter((pack) => pack !== 'shared');
  const lacks = async () => ({
    shared: packs.includes('shared') && !(await isShared(join(folder, SHARED_PACK_FILE), sourceHash)),
    slots: !(await holdsSlots(folder, checkpoint.description, sourceHash, ids)),
  });
  const first = await lacks();
  if (!first.shared && !first.slots) return folder;
  await makeFolder(folder);
  const release = await acquirePackLock(folder, events.onWait);
  try {
    await removeTemporaryFiles(folder);
    // Another process may have built it meanwhile.
    await buildMissing(request, folder, sourceHash, ids, await lacks());
  } finally {
    release();
  }
  return folder;
}

/** Where a checkpoint's packs are or would be; hashes the source unless that was done before. */
export async function locatePacks(
  { config, index }: DescribedCheckpoint,
  home: string,
  onProgress: OnProgress,
): Promise<{ folder: string; sourceHash: string }> {
  await makeFolder(packsRoot(home));
  const memo = join(packsRoot(home), 'source-hashes.json');
  const sourceHash = await hashSource([config.path, ...index.sources], memo, onProgress);
  return { folder: packFolder(home, sourceHash), sourceHash };
}

/** Makes a folder that packs go to. Throws DomainError `bad_pack`. */
async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw badPack(folder, 'cannot be created: packs are written there', cause);
  });
}

async function isShared(path: string, sourceHash: string): Promise<boolean> {
  try {
    return (await checkPack(path)).header.sourceHash === sourceHash;
  } catch {
    return false;
  }
}

async function buildMissing(
  { checkpoint, eviction, events }: BuildRequest,
  folder: string,
  sourceHash: string,
  ids: readonly number[],
  missing: { readonly shared: boolean; readonly slots: boolean },
): Promise<void> {
  const { description: model, config } = checkpoint;
  const source = openCheckpoint(checkpoint.index);
  try {
    for (const copy of checkpoint.copies) refuseOtherCopy(source, copy);
    if (missing.shared) await writeShared(checkpoint, sourceHash, source, folder, events.onProgress);
    if (missing.slots) {
      const facts = { folder, model, sourceHash, config: config.text, ids, eviction };
      await fillSlots({ ...facts, source: checkpointSlots(checkpoint, source), onProgress: events.onProgress });
    }
  } finally {
    source.close();
  }
}

async function writeShared(
  { config, description, sections }: DescribedCheckpoint,
  sourceHash: string,
  source: Checkpoint,
  folder: string,
  onProgress: OnProgress,
): Promise<void> {
  const path = join(folder, SHARED_PACK_FILE);
  const placement = placeSections(sections.filter(({ expert }) => expert === null));
  const { bavail, bsize } = await statfs(folder);
  refuseFullDisk(folder, bavail * bsize, placement.dataBytes, 'building the packs');
  const advance = countBytes(
    placement.sections.reduce((sum, { bytes }) => sum + bytes, 0),
    onProgress,
  );
  try {
    const content = { model: description, sourceHash, config: config.text, placement };
    await writePack(path, content, source, (bytes) => advance(`Building ${SHARED_PACK_FILE}`, bytes));
  } catch (thrown) {
    if (thrown instanceof DomainError) throw thrown;
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw badPack(path, `could not be written: ${reason}`, thrown);
  }
}

async function removeTemporaryFiles(folder: string): Promise<void> {
  const names = await readdir(folder);
  await Promise.all(
    names.filter((name) => name.endsWith(TEMPORARY_SUFFIX)).map((name) => rm(join(folder, name), { force: true })),
  );
}
