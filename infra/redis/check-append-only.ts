// Checks that the append-only files of a data folder are complete. Without the manifest, Redis 7 starts empty and overwrites the
// other files; without a listed file it does not start, and its log has no remedy. Read-only.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DomainError } from '../errors/domain-error.ts';

const FOLDER = 'appendonlydir';
const MANIFEST = 'appendonly.aof.manifest';
/** `file appendonly.aof.1.base.rdb seq 1 type b`; type h is history, which Redis deletes on its own. */
const LISTED = /^file "?([^"\s]+)"? seq \d+ type [bi]$/;
const DATA = /\.(base\.(rdb|aof)|incr\.aof)$/;

/** Throws DomainError `unavailable` naming the file that is missing in the data folder `dir`, and the remedy. */
export function checkAppendOnlyFiles(dir: string): void {
  const folder = join(dir, FOLDER);
  const missing = missingFile(folder);
  if (missing === undefined) return;
  const remedy = `Restore it from a backup of ${folder}, or move that folder away to start empty.`;
  const message = `The data of Redis is incomplete: ${join(folder, missing)} is missing. ${remedy}`;
  throw new DomainError('unavailable', message, { param: 'home' });
}

function missingFile(folder: string): string | undefined {
  const files = filesIn(folder);
  if (!files.includes(MANIFEST)) return files.some((file) => DATA.test(file)) ? MANIFEST : undefined;
  const lines = readFileSync(join(folder, MANIFEST), 'utf8').split(/\r?\n/);
  const listed = lines.flatMap((line) => LISTED.exec(line.trim())?.[1] ?? []);
  return listed.find((file) => !existsSync(join(folder, file)));
}

function filesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    // Not there yet, or no folder, which Redis reports.
    return [];
  }
}
