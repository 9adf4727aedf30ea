// Do the packs on disk still hold what was written? In: a pack folder. Out: the packs checked, or DomainError `bad_pack`
// naming the first damaged section. Reads every byte; changes nothing.
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { type CheckedPack, checkPack } from './check-pack.ts';
import { listPacks } from './open-packs.ts';
import { packFileName } from './pack-folder.ts';
import { badPack, type PackId, type PackSection } from './pack-format.ts';
import { countBytes, type OnProgress } from './progress.ts';

const BLOCK_BYTES = 8 * 1024 * 1024;

/** Recomputes every section's checksum. Throws DomainError `bad_pack`. */
export async function verifyPacks(folder: string, onProgress: OnProgress): Promise<readonly PackId[]> {
  const packs = await listPacks(folder);
  const checked = await Promise.all(packs.map((pack) => checkPack(join(folder, packFileName(pack)), pack)));
  const sectionBytes = checked.flatMap(({ header }) => header.sections.map(({ bytes }) => bytes));
  const advance = countBytes(
    sectionBytes.reduce((sum, bytes) => sum + bytes, 0),
    onProgress,
  );
  for (const pack of checked) {
    await verifyPack(pack, (bytes) => advance(`Verifying ${packFileName(pack.header.pack)}`, bytes));
  }
  return packs;
}

/** Recomputes the checksums of one pack file. Throws DomainError `bad_pack`. */
export async function verifyPackFile(path: string, pack: PackId): Promise<void> {
  await verifyPack(await checkPack(path, pack), () => {});
}

async function verifyPack({ path, header, dataStart }: CheckedPack, onBytes: (bytes: number) => void): Promise<void> {
  const file = await open(path, 'r');
  try {
    for (const section of header.sections) {
      if ((await hashSection(file, section, dataStart, onBytes)) !== section.sha256) {
        const where = section.layer === null ? section.role : `${section.role} of layer ${section.layer}`;
        throw badPack(path, `is damaged: the checksum of ${where} does not match; delete the file to have it rebuilt`);
      }
    }
  } finally {
    await file.close();
  }
}

async function hashSection(
  file: FileHandle,
  { offset, bytes }: PackSection,
  dataStart: number,
  onBytes: (bytes: number) => void,
): Promise<string> {
  const hash = createHash('sha256');
  const block = Buffer.allocUnsafe(Math.min(bytes, BLOCK_BYTES));
  for (let done = 0; done < bytes; ) {
    const { bytesRead } = await file.read(block, 0, Math.min(block.length, bytes - done), dataStart + offset + done);
    if (bytesRead === 0) break;
    hash.update(block.subarray(0, bytesRead));
    onBytes(bytesRead);
    done += bytesRead;
  }
  return hash.digest('hex');
}
