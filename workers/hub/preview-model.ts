// What a model is, before its weights are downloaded: its config, and the headers of its files of weights. In: files on a hub. Out: a
// description, or why it cannot be served.
import { mkdir, mkdtemp, open, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { describeCheckpoint } from '../model/describe-checkpoint.ts';
import type { StoredModel } from '../model/stored-model.ts';
import { blobPath } from './cache-layout.ts';
import type { HubFile } from './choose-files.ts';
import type { HubClient } from './hub-client.ts';

export interface PreviewParts {
  readonly client: Pick<HubClient, 'readRange'>;
  readonly repository: string;
  readonly commit: string;
  /** Of the repository in the cache; has the blobs of `describing`. */
  readonly folder: string;
  readonly describing: readonly HubFile[];
  readonly weights: readonly HubFile[];
}

const PREFIX_BYTES = 8;
/** A header beyond it is refused when it is read. */
const MOST_HEADER_BYTES = 100_000_000;

/** Throws DomainError `bad_config` or `bad_checkpoint` naming file and key or tensor. */
export async function previewModel(parts: PreviewParts): Promise<StoredModel> {
  const root = await mkdtemp(join(tmpdir(), 'cv-preview-'));
  const folder = join(root, parts.repository);
  try {
    await mkdir(folder, { recursive: true });
    for (const { name, hash } of parts.describing) await symlink(blobPath(parts.folder, hash), join(folder, name));
    for (const file of parts.weights) await writeHeader(parts, file, join(folder, file.name));
    return (await describeCheckpoint(folder)).description;
  } catch (thrown) {
    if (!(thrown instanceof DomainError)) throw thrown;
    throw new DomainError(thrown.code, thrown.message.replaceAll(`${root}/`, ''), { cause: thrown });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** A file of the right size whose data is a hole: only its header is there. */
async function writeHeader(parts: PreviewParts, { name, bytes }: HubFile, path: string): Promise<void> {
  const { client, repository, commit } = parts;
  const file = await open(path, 'w+');
  try {
    const read = (from: number, end: number): Promise<void> =>
      client.readRange({ repository, commit, name }, from, Math.min(end, bytes), async (chunk, at) => {
        await file.write(chunk, 0, chunk.length, at);
      });
    await file.truncate(bytes);
    await read(0, PREFIX_BYTES);
    const prefix = Buffer.alloc(PREFIX_BYTES);
    await file.read(prefix, 0, PREFIX_BYTES, 0);
    const length = Number(prefix.readBigUInt64LE());
    if (length <= MOST_HEADER_BYTES) await read(PREFIX_BYTES, PREFIX_BYTES + length);
  } finally {
    await file.close();
  }
}
