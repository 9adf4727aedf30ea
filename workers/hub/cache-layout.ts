// Where the cache keeps a model, so that other tools find it: blobs by their hash, and for each commit a folder of links.
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { CONFIG_FILE } from '../model/read-model-config.ts';
import type { HubName } from './model-name.ts';

/** What `stat` counts in. */
export const BLOCK_BYTES = 512;

const FOLDER = /^models--([\w.-]+?)--([\w.-]+)$/;

export function repositoryFolder(cache: string, repository: string): string {
  return join(cache, `models--${repository.replace('/', '--')}`);
}

/** Path of a file's contents. `hash`: in hexadecimal. */
export function blobPath(folder: string, hash: string): string {
  return join(folder, 'blobs', hash);
}

export function snapshotFolder(folder: string, commit: string): string {
  return join(folder, 'snapshots', commit);
}

/** Puts a blob into a commit's folder under its name. */
export function linkFile(folder: string, commit: string, name: string, hash: string): void {
  const path = join(snapshotFolder(folder, commit), name);
  mkdirSync(dirname(path), { recursive: true });
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) return;
  symlinkSync(join('..', '..', 'blobs', hash), path);
}

/** Notes which commit a branch or tag stands for. */
export function writeRevision(folder: string, revision: string, commit: string): void {
  const path = join(folder, 'refs', revision);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, commit);
  renameSync(`${path}.new`, path);
}

/** The folder of a revision whose download ended; null if there is none. */
export function findSnapshot(cache: string, { repository, revision }: HubName): string | null {
  const folder = repositoryFolder(cache, repository);
  const commit = readRevision(folder, revision) ?? revision;
  const snapshot = snapshotFolder(folder, commit);
  return isWhole(snapshot) ? snapshot : null;
}

/** Whether the download of a snapshot ended: its config is linked last. */
export function isWhole(snapshot: string): boolean {
  return existsSync(join(snapshot, CONFIG_FILE));
}

function readRevision(folder: string, revision: string): string | null {
  const path = join(folder, 'refs', revision);
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : null;
}

export interface CachedModel {
  readonly repository: string;
  /** Branches and tags whose download ended. */
  readonly revisions: readonly string[];
  /** On disk, unfinished downloads included. */
  readonly bytes: number;
}

/** Models in the cache, sorted by name. */
export function listModels(cache: string): readonly CachedModel[] {
  if (!existsSync(cache)) return [];
  const names = readdirSync(cache).flatMap((name) => FOLDER.exec(name)?.slice(1).join('/') ?? []);
  return names.sort().map((repository) => describeModel(cache, repository));
}

function describeModel(cache: string, repository: string): CachedModel {
  const folder = repositoryFolder(cache, repository);
  const whole = filesIn(join(folder, 'refs')).filter(
    (revision) => findSnapshot(cache, { repository, revision }) !== null,
  );
  // Blocks, not sizes: an unfinished file has its full size from the beginning.
  const bytes = filesIn(join(folder, 'blobs')).map(
    (name) => lstatSync(join(folder, 'blobs', name)).blocks * BLOCK_BYTES,
  );
  return { repository, revisions: whole.sort(), bytes: bytes.reduce((sum, each) => sum + each, 0) };
}

function filesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** Deletes a model with all its revisions. Throws DomainError `not_found`. */
export function removeModel(cache: string, repository: string): void {
  const folder = repositoryFolder(cache, repository);
  if (!existsSync(folder))
    throw new DomainError('not_found', `${cache} has no ${repository}. See \`conclave model list\`.`);
  rmSync(folder, { recursive: true });
}
