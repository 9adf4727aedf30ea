// A pack file's header, checked. In: a path and what is expected of it. Out: header and where sections begin, or
// DomainError `bad_pack`. Reads no weights; verify-packs.ts does.
import { type FileHandle, open } from 'node:fs/promises';
import {
  badPack,
  dataOffset,
  decodePackHeader,
  decodePackPrefix,
  PACK_LAYOUT_VERSION,
  PACK_PREFIX_BYTES,
  type PackHeader,
} from './pack-format.ts';

export interface ReadPack {
  readonly path: string;
  readonly header: PackHeader;
  /** Where the sections begin, in bytes from the beginning of the file. */
  readonly dataStart: number;
}

/** Reads the header of the pack file at `path`. Throws DomainError `bad_pack`. */
export async function readPackHeader(path: string): Promise<ReadPack> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw badPack(path, 'is missing or cannot be opened', cause);
  });
  try {
    const jsonBytes = decodePackPrefix(await readAtMost(file, PACK_PREFIX_BYTES), path);
    const header = decodePackHeader(await readAtMost(file, PACK_PREFIX_BYTES + jsonBytes), path);
    const dataStart = dataOffset(jsonBytes);
    refuseOtherLayout(path, header);
    refuseWrongSize(path, (await file.stat()).size, dataStart + header.dataBytes);
    return { path, header, dataStart };
  } finally {
    await file.close();
  }
}

async function readAtMost(file: FileHandle, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, 0);
  return bytes.subarray(0, bytesRead);
}

function refuseOtherLayout(path: string, header: PackHeader): void {
  if (header.layoutVersion !== PACK_LAYOUT_VERSION) {
    throw badPack(path, `has layout version ${header.layoutVersion}, expected ${PACK_LAYOUT_VERSION}`);
  }
}

function refuseWrongSize(path: string, bytes: number, expected: number): void {
  if (bytes !== expected) throw badPack(path, `has ${bytes} bytes, expected ${expected}`);
}
