// Makes the packs that are missing. In: a described checkpoint and the packs wanted. Out: the folder that has them all.
// An interrupted build leaves whole packs and temporary files, which the next build removes.
import { mkdir, readdir, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { DescribedCheckpoint } from '../model/describe-checkpoint.ts';
import { type Checkpoint, openCheckpoint } from '../model/open-checkpoint.ts';
import type { PlannedSection } from '../model/weight-plan.ts';
import { checkPack } from './check-pack.ts';
import { refuseOtherCopy } from './compare-tensors.ts';
import { hashSource } from './hash-source.ts';
import { packFileName, packFolder, packsRoot } from './pack-folder.ts';
import { badPack, type PackId } from './pack-format.ts';
import { acquirePackLock, type LockOwner } from './pack-lock.ts';
import { isInPack } from './pack-sections.ts';
import { type PackPlacement, placeSections } from './place-sections.ts';
import { countBytes, type OnProgress } from './progress.ts';
import { TEMPORARY_SUFFIX } from './write-file-atomically.ts';
import { writePack } from './write-pack.ts';

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
  readonly events: BuildEvents;
}

/** What is to be written in one file. */
interface WantedPack {
  readonly pack: PackId;
  readonly path: string;
  readonly placement: PackPlacement<PlannedSection>;
}

/**
 * Builds whatever of `request.packs` is missing or damaged and returns the pack folder. Throws DomainError: `unavailable`
 * when the disk is too small, `bad_checkpoint` when the source cannot be read, `bad_pack` when a file cannot be written.
 */
export async function buildPacks(request: BuildRequest): Promise<string> {
  const { checkpoint, home, events } = request;
  const { folder, sourceHash } = await locatePacks(checkpoint, home, events.onProgress);
  const wanted = request.packs.map((pack) => planPack(checkpoint, folder, pack));
  if ((await missingPacks(wanted, sourceHash)).length === 0) return folder;
  await makeFolder(folder);
  const release = await acquirePackLock(folder, events.onWait);
  try {
    await removeTemporaryFiles(folder);
    await writeMissing(checkpoint, sourceHash, folder, await missingPacks(wanted, sourceHash), events.onProgress);
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
  const sourceHash = await hashSource([...config.files, ...index.sources], memo, onProgress);
  return { folder: packFolder(home, sourceHash), sourceHash };
}

async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw badPack(folder, 'cannot be created: packs are written there', cause);
  });
}

function planPack({ sections }: DescribedCheckpoint, folder: string, pack: PackId): WantedPack {
  const own = sections.filter((section) => isInPack(section, pack));
  return { pack, path: join(folder, packFileName(pack)), placement: placeSections(own) };
}

/** Those that are absent, damaged, or of another version or source. */
async function missingPacks(wanted: readonly WantedPack[], sourceHash: string): Promise<WantedPack[]> {
  const present = await Promise.all(wanted.map(({ path, pack }) => isPresent(path, pack, sourceHash)));
  return wanted.filter((_, index) => present[index] === false);
}

async function isPresent(path: string, pack: PackId, sourceHash: string): Promise<boolean> {
  try {
    return (await checkPack(path, pack)).header.sourceHash === sourceHash;
  } catch {
    return false;
  }
}

async function writeMissing(
  checkpoint: DescribedCheckpoint,
  sourceHash: string,
  folder: string,
  missing: readonly WantedPack[],
  onProgress: OnProgress,
): Promise<void> {
  const contentBytes = missing.flatMap(({ placement }) => placement.sections.map(({ bytes }) => bytes)).reduce(add, 0);
  const fileBytes = missing.map(({ placement }) => placement.dataBytes).reduce(add, 0);
  const { bavail, bsize } = await statfs(folder);
  refuseFullDisk(folder, bavail * bsize, fileBytes);
  const advance = countBytes(contentBytes, onProgress);
  const source = openCheckpoint(checkpoint.index);
  try {
    for (const copy of checkpoint.copies) refuseOtherCopy(source, copy);
    for (const pack of missing) {
      const what = `Building ${packFileName(pack.pack)}`;
      await writeOne(pack, checkpoint, sourceHash, source, (bytes) => advance(what, bytes));
    }
  } finally {
    source.close();
  }
}

async function writeOne(
  { pack, path, placement }: WantedPack,
  { config, description }: DescribedCheckpoint,
  sourceHash: string,
  source: Checkpoint,
  onBytes: (bytes: number) => void,
): Promise<void> {
  try {
    const content = { pack, model: description, sourceHash, config: config.text, placement };
    await writePack(path, content, source, onBytes);
  } catch (thrown) {
    if (thrown instanceof DomainError) throw thrown;
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw badPack(path, `could not be written: ${reason}`, thrown);
  }
}

/** Throws DomainError `unavailable` when `freeBytes` of the disk of `folder` do not suffice. */
export function refuseFullDisk(folder: string, freeBytes: number, neededBytes: number): void {
  if (freeBytes >= neededBytes) return;
  throw new DomainError(
    'unavailable',
    `${folder}: building the packs takes ${neededBytes} bytes of disk, but only ${freeBytes} are free`,
    { param: folder },
  );
}

async function removeTemporaryFiles(folder: string): Promise<void> {
  const names = await readdir(folder);
  await Promise.all(
    names.filter((name) => name.endsWith(TEMPORARY_SUFFIX)).map((name) => rm(join(folder, name), { force: true })),
  );
}

function add(a: number, b: number): number {
  return a + b;
}
