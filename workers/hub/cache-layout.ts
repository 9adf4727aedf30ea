// Where the cache keeps a model, so that other tools find it: blobs by their hash, and for each commit a folder of links.
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { CONFIG_FILE } from '../model/read-model-config.ts';
import type { HubName } from './model-name.ts';

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

/** Repositories in the cache, sorted by name. */
export function listRepositories(cache: string): readonly string[] {
  if (!existsSync(cache)) return [];
  const names = readdirSync(cache).map((name) => FOLDER.exec(name));
  return names.flatMap((match) => (match === null ? [] : [`${match[1]}/${match[2]}`])).sort();
}
