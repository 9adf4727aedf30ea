// Do the packs on disk still hold what was written? In: a pack folder. Out: how many parts were checked, or DomainError `bad_pack`
// naming the first damaged one. Reads every byte; changes nothing.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { countExperts, nameExpert, placeOfExpert } from '../../native/model-description.ts';
import { type CheckedPack, checkPack, describePacked } from './check-pack.ts';
import { SHARED_PACK_FILE } from './pack-folder.ts';
import { badPack } from './pack-format.ts';
import { countBytes, type OnProgress } from './progress.ts';
import { readSlabTable, SLAB_TABLE_FILE, type SlotPlace, slotKey, slotsByKey, withoutLostSlabs } from './slab-table.ts';
import { slotLayout } from './slot-layout.ts';

const BLOCK_BYTES = 8 * 1024 * 1024;

export interface VerifiedPacks {
  readonly shared: boolean;
  /** Experts of layers. */
  readonly experts: number;
}

/** A range of a file with the digest that it should have. */
interface Part {
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
  readonly sha256: string;
  /** What it is, for people, and what to do about it. */
  readonly name: string;
  readonly remedy: string;
}

/** Recomputes every checksum. Throws DomainError `bad_pack`. */
export async function verifyPacks(folder: string, onProgress: OnProgress): Promise<VerifiedPacks> {
  const path = join(folder, SHARED_PACK_FILE);
  const shared = existsSync(path) ? partsOf(await checkPack(path)) : [];
  const slots = await slotParts(folder);
  const parts = [...shared, ...slots];
  const advance = countBytes(
    parts.reduce((sum, { bytes }) => sum + bytes, 0),
    onProgress,
  );
  await verifyParts(parts, advance);
  return { shared: shared.length > 0, experts: slots.length };
}

/** Recomputes the checksums of a shared pack. Throws DomainError `bad_pack`. */
export async function verifyPackFile(path: string): Promise<void> {
  await verifyParts(partsOf(await checkPack(path)), () => {});
}

function partsOf({ path, header, dataStart }: CheckedPack): readonly Part[] {
  return header.sections.map(({ role, layer, offset, bytes, sha256 }) => ({
    ...{ path, offset: dataStart + offset, bytes, sha256 },
    name: layer === null ? role : `${role} of layer ${layer}`,
    remedy: 'delete the file to have it rebuilt',
  }));
}

async function slotParts(folder: string): Promise<readonly Part[]> {
  const table = await readSlabTable(folder);
  if (table === null) return [];
  const model = describePacked(table, join(folder, SLAB_TABLE_FILE));
  const there = slotsByKey(await withoutLostSlabs(folder, table));
  return [...Array(countExperts(model)).keys()].flatMap((id): Part[] => {
    const { layer, expert } = placeOfExpert(model, id);
    const place = there.get(slotKey(layer, expert));
    return place === undefined ? [] : [slotPart(folder, nameExpert(model, id), place, slotLayout(model, id).dataBytes)];
  });
}

function slotPart(folder: string, name: string, { slab, slot }: SlotPlace, bytes: number): Part {
  const place = { path: join(folder, slab.file), offset: slot * slab.slotBytes, bytes };
  return { ...place, sha256: slab.sha256[slot] ?? '', name, remedy: 'delete the file to have its experts rebuilt' };
}

async function verifyParts(parts: readonly Part[], advance: (what: string, bytes: number) => void): Promise<void> {
  const files = new Map<string, FileHandle>();
  try {
    for (const part of parts) {
      const file = files.get(part.path) ?? (await open(part.path, 'r'));
      files.set(part.path, file);
      const what = `Verifying ${part.name}`;
      if ((await hashPart(file, part, (bytes) => advance(what, bytes))) === part.sha256) continue;
      throw badPack(part.path, `is damaged: the checksum of ${part.name} does not match; ${part.remedy}`);
    }
  } finally {
    for (const file of files.values()) await file.close();
  }
}

async function hashPart(file: FileHandle, { offset, bytes }: Part, onBytes: (bytes: number) => void): Promise<string> {
  const hash = createHash('sha256');
  const block = Buffer.allocUnsafe(Math.min(bytes, BLOCK_BYTES));
  for (let done = 0; done < bytes; ) {
    const { bytesRead } = await file.read(block, 0, Math.min(block.length, bytes - done), offset + done);
    if (bytesRead === 0) break;
    hash.update(block.subarray(0, bytesRead));
    onBytes(bytesRead);
    done += bytesRead;
  }
  return hash.digest('hex');
}
