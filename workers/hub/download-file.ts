// Downloads a file into the cache: in pieces over several connections, kept over cuts and restarts, and used only if its hash is
// right. In: a file of a commit. Out: its blob.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { fileFailure } from '../../infra/errors/file-failure.ts';
import { blobPath } from './cache-layout.ts';
import type { HubFile } from './choose-files.ts';
import type { HubClient } from './hub-client.ts';

export interface DownloadParts {
  readonly client: Pick<HubClient, 'readRange'>;
  readonly repository: string;
  readonly commit: string;
  /** Of the repository in the cache. */
  readonly folder: string;
  /** Told of bytes that are there: downloaded now, or found from before. Negative if they turned out to be wrong. */
  readonly onBytes: (count: number) => void;
  readonly pieceBytes: number;
  /** Runs `work` when a connection is free. */
  readonly connected: (work: () => Promise<void>) => Promise<void>;
}

const READ_BYTES = 4 * 2 ** 20;

/** Settles when the blob is there. Throws DomainError `bad_checkpoint` if the hub's bytes have another hash than it names. */
export async function downloadFile(parts: DownloadParts, file: HubFile): Promise<void> {
  const blob = blobPath(parts.folder, file.hash);
  if (existsSync(blob)) return parts.onBytes(file.bytes);
  await mkdir(dirname(blob), { recursive: true });
  const unfinished = unfinishedPath(blob);
  for (let attempt = 1; ; attempt += 1) {
    await fillPieces(parts, file, unfinished);
    const hash = await hashOf(unfinished, file);
    if (hash === file.hash) break;
    parts.onBytes(-file.bytes);
    await Promise.all([unfinished, notes(unfinished)].map((path) => rm(path, { force: true })));
    // What was kept from an earlier download may have been damaged on the disk.
    if (attempt === 2) throw wrongHash(parts.repository, file, hash);
  }
  await rename(unfinished, blob);
  await rm(notes(unfinished), { force: true });
}

/** Where a blob is put together. Has its full size from the beginning, and blocks where pieces have come. */
export function unfinishedPath(blob: string): string {
  return `${blob}.incomplete`;
}

/** A byte for each piece of a file, 1 when it is there. */
function notes(unfinished: string): string {
  return `${unfinished}.pieces`;
}

async function fillPieces(parts: DownloadParts, file: HubFile, unfinished: string): Promise<void> {
  const data = await openToUpdate(unfinished);
  const noted = await openToUpdate(notes(unfinished));
  try {
    await data.truncate(file.bytes);
    const count = Math.ceil(file.bytes / parts.pieceBytes);
    const present = Buffer.alloc(count);
    await noted.read(present, 0, count, 0);
    const pieces = Array.from({ length: count }, (_, piece) => async () => {
      const from = piece * parts.pieceBytes;
      const end = Math.min(file.bytes, from + parts.pieceBytes);
      if (present[piece] === 1) return parts.onBytes(end - from);
      await parts.connected(() => downloadPiece(parts, file, data, from, end));
      await data.datasync();
      await noted.write(Buffer.of(1), 0, 1, piece);
    });
    await settleAll(pieces.map((piece) => piece()));
  } finally {
    await Promise.all([data.close(), noted.close()]);
  }
}

/** Throws the first failure when all have ended: none may use the files afterwards. */
async function settleAll(works: readonly Promise<void>[]): Promise<void> {
  const failure = (await Promise.allSettled(works)).find((each) => each.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
}

function downloadPiece(parts: DownloadParts, file: HubFile, data: FileHandle, from: number, end: number) {
  const { repository, commit, client } = parts;
  return client.readRange({ repository, commit, name: file.name }, from, end, async (bytes, at) => {
    await data.write(bytes, 0, bytes.length, at).catch((thrown: unknown) => {
      // Not a fault of the connection, so not tried again.
      throw (
        fileFailure(thrown, 'unavailable', parts.folder) ?? new DomainError('internal', `${parts.folder}: ${thrown}`)
      );
    });
    parts.onBytes(bytes.length);
  });
}

/** Opens without emptying. */
function openToUpdate(path: string): Promise<FileHandle> {
  return open(path, 'r+').catch(() => open(path, 'w+'));
}

/** As the hub hashes: SHA-256, or git's SHA-1 of a header and the contents. */
async function hashOf(path: string, { bytes, hash }: HubFile): Promise<string> {
  const digest = createHash(hash.length === 64 ? 'sha256' : 'sha1');
  if (hash.length === 40) digest.update(`blob ${bytes}\0`);
  const handle = await open(path, 'r');
  try {
    for await (const chunk of handle.createReadStream({ highWaterMark: READ_BYTES })) digest.update(chunk);
  } finally {
    await handle.close();
  }
  return digest.digest('hex');
}

function wrongHash(repository: string, { name, hash: expected }: HubFile, hash: string): DomainError {
  return new DomainError(
    'bad_checkpoint',
    `${repository}/${name}: the hub's bytes have hash ${hash}, and it names ${expected}. Nothing of it was kept; try again later, or tell its owner.`,
    { param: name },
  );
}
