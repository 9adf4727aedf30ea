// A model from a hub to a folder that can be served. In: its name. Out: the folder of links in the cache. Nothing half is ever linked.
import { existsSync, statSync } from 'node:fs';
import { mkdir, statfs } from 'node:fs/promises';
import { basename } from 'node:path';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { INDEX_FILE, readShardNames } from '../model/checkpoint-index.ts';
import { CONFIG_FILE } from '../model/read-model-config.ts';
import type { StoredModel } from '../model/stored-model.ts';
import { acquirePackLock, type LockOwner } from '../pack/pack-lock.ts';
import { refuseFullDisk } from '../pack/refuse-full-disk.ts';
import {
  BLOCK_BYTES,
  blobPath,
  findSnapshot,
  isWhole,
  linkFile,
  repositoryFolder,
  snapshotFolder,
  writeRevision,
} from './cache-layout.ts';
import { describingFiles, type HubFile, weightFiles } from './choose-files.ts';
import { connectionLimit } from './connection-limit.ts';
import { downloadFile, unfinishedPath } from './download-file.ts';
import type { HubAccess } from './hub-access.ts';
import { HubClient } from './hub-client.ts';
import type { HubName } from './model-name.ts';
import { previewModel } from './preview-model.ts';

export interface PullEvents {
  /** What the model is, before its weights are downloaded; `bytes`: of all files, `missing` of them not there yet. */
  readonly onPreview: (model: StoredModel, bytes: number, missing: number) => void;
  readonly onProgress: (progress: { readonly what: string; readonly done: number; readonly total: number }) => void;
  /** Another process downloads this model. */
  readonly onWait: (owner: LockOwner) => void;
}

export interface PulledModel {
  readonly commit: string;
  readonly folder: string;
}

export interface PullTuning {
  /** Before the first repetition of a request that failed; each further one waits twice as long. */
  readonly firstPauseMs: number;
  /** What is asked for at once, and lost at most by a process that ends. */
  readonly pieceBytes: number;
}

const DEFAULT_TUNING: PullTuning = { firstPauseMs: 250, pieceBytes: 32 * 2 ** 20 };
/** Connections at once: a store of files gives each only a part of what the line carries. */
const CONNECTIONS = 8;
const LOCK_REMEDY = 'Set HF_HUB_CACHE to a folder on a local disk.';

/**
 * Downloads what is missing. Throws DomainError naming the file and the cause: `not_found`, `unavailable`, `bad_checkpoint`, or `bad_config`
 * for a model that is not supported, before its weights are downloaded.
 */
export async function pullModel(
  name: HubName,
  access: HubAccess,
  events: PullEvents,
  tuning: PullTuning = DEFAULT_TUNING,
): Promise<PulledModel> {
  if (access.offline) return fromCache(name, access);
  const client = new HubClient(access, tuning.firstPauseMs);
  const folder = repositoryFolder(access.cache, name.repository);
  try {
    const { commit, files } = await client.readRevision(name);
    await mkdir(folder, { recursive: true });
    const release = await acquirePackLock(folder, events.onWait, LOCK_REMEDY);
    try {
      return await download({ ...name, ...tuning, client, folder, commit, events }, files);
    } finally {
      release();
    }
  } finally {
    await client.close();
  }
}

function fromCache(name: HubName, { cache }: HubAccess): PulledModel {
  const folder = findSnapshot(cache, name);
  if (folder !== null) return { commit: basename(folder), folder };
  const message = `${name.repository} is not in ${cache}, and HF_HUB_OFFLINE forbids to download it.`;
  throw new DomainError('not_found', message);
}

interface Download extends HubName, PullTuning {
  readonly client: HubClient;
  readonly folder: string;
  readonly commit: string;
  readonly events: PullEvents;
}

async function download(parts: Download, files: readonly HubFile[]): Promise<PulledModel> {
  const { repository, revision, commit, folder, events } = parts;
  const snapshot = snapshotFolder(folder, commit);
  if (isWhole(snapshot)) {
    writeRevision(folder, revision, commit);
    return { commit, folder: snapshot };
  }
  const describing = describingFiles(repository, files);
  await downloadAll(parts, describing, () => {});
  const index = describing.find(({ name }) => name === INDEX_FILE);
  const shards = index === undefined ? null : await readShardNames(blobPath(folder, index.hash));
  const weights = weightFiles(repository, files, shards);
  const model = await previewModel({ ...parts, describing, weights });
  const [bytes, missing] = [weights.reduce((sum, file) => sum + file.bytes, 0), missingBytes(folder, weights)];
  events.onPreview(model, bytes, missing);
  const { bavail, bsize } = await statfs(folder);
  refuseFullDisk(folder, bavail * bsize, missing, 'the rest of the download');
  let done = 0;
  await downloadAll(parts, weights, (count) => {
    done += count;
    events.onProgress({ what: `Downloading ${repository}`, done, total: bytes });
  });
  // The config comes last: see isWhole.
  const last = [...weights, ...describing].sort((one, other) => Number(isConfig(one)) - Number(isConfig(other)));
  for (const { name, hash } of last) linkFile(folder, commit, name, hash);
  writeRevision(folder, revision, commit);
  return { commit, folder: snapshot };
}

function isConfig({ name }: HubFile): boolean {
  return name === CONFIG_FILE;
}

/** After a failure nothing more is begun, and what runs ends before it is thrown. */
async function downloadAll(
  parts: Download,
  files: readonly HubFile[],
  onBytes: (count: number) => void,
): Promise<void> {
  const limited = connectionLimit(CONNECTIONS);
  let failure: { readonly reason: unknown } | undefined;
  const connected = (work: () => Promise<void>): Promise<void> =>
    limited(() => (failure === undefined ? work() : Promise.reject(failure.reason)));
  const downloads = files.map((file) =>
    downloadFile({ ...parts, onBytes, connected }, file).catch((reason: unknown) => {
      failure ??= { reason };
    }),
  );
  await Promise.all(downloads);
  if (failure !== undefined) throw failure.reason;
}

/** Bytes of these files that are not on the disk yet; an unfinished one is there as far as it has blocks. */
function missingBytes(folder: string, files: readonly HubFile[]): number {
  const ofFile = ({ bytes, hash }: HubFile): number => {
    const blob = blobPath(folder, hash);
    if (existsSync(blob)) return 0;
    const blocks = statSync(unfinishedPath(blob), { throwIfNoEntry: false })?.blocks ?? 0;
    return Math.max(0, bytes - blocks * BLOCK_BYTES);
  };
  return files.reduce((sum, file) => sum + ofFile(file), 0);
}
