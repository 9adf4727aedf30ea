// The home folder before anything is put into it: made, and refused where it cannot be written to.
import { accessSync, constants, mkdirSync, statfsSync } from 'node:fs';
import { DomainError } from '../../errors/domain-error.ts';
import { formatBytes } from '../format-bytes.ts';

/** Logs and the append-only file of Redis; packs ask for their own room. Redis without any refuses writes, and nothing starts. */
const LEAST_FREE_BYTES = 32 * 1024 ** 2;

/** Throws DomainError `unavailable` naming the folder. */
export function prepareHome(home: string): void {
  try {
    mkdirSync(home, { recursive: true, mode: 0o700 });
    accessSync(home, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const message = `${home} cannot be written to (${code}). Make it a folder of this user, or name another with --home.`;
    throw new DomainError('unavailable', message, { param: 'home', cause });
  }
  const { bavail, bsize } = statfsSync(home);
  refuseFullDisk(home, bavail * bsize);
}

function refuseFullDisk(home: string, freeBytes: number): void {
  if (freeBytes >= LEAST_FREE_BYTES) return;
  const has = `The disk of ${home} has ${formatBytes(freeBytes)} free, but queues and logs need ${formatBytes(LEAST_FREE_BYTES)}`;
  throw new DomainError('unavailable', `${has}. Free some space, or name another folder with --home.`, {
    param: 'home',
  });
}
