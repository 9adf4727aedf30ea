// Detects whether the build is up to date: a hash of the names, sizes and times of all sources and of the lock file.
import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const FOLDERS = ['gateway', 'workers', 'native', 'infra', 'test'];
const FILES = ['package-lock.json', 'tsconfig.json'];
// infra/build holds these scripts, native/build what they make, fixtures only data.
const SKIPPED = new Set(['build', 'fixtures', 'node_modules']);
const SOURCE = /\.(ts|mts|lua|cc|h|mm|metal|gyp)$/;

/** Written by a finished build. */
export const STAMP_PATH = join(root, 'dist', '.built-from');

function* sourcesBelow(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory() && !SKIPPED.has(entry.name)) yield* sourcesBelow(join(folder, entry.name));
    else if (entry.isFile() && SOURCE.test(entry.name)) yield join(folder, entry.name);
  }
}

export function sourceFingerprint() {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}\n`);
  const sources = FOLDERS.flatMap((folder) => [...sourcesBelow(join(root, folder))]);
  for (const path of [...FILES.map((file) => join(root, file)), ...sources.sort()]) {
    const { size, mtimeMs } = statSync(path);
    hash.update(`${path} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex');
}
