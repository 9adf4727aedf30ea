// Creates the home folder, and refuses one that is not writable or has too little space.
import { accessSync, constants, mkdirSync, statfsSync } from 'node:fs';
import { DomainError } from '../../errors/domain-error.ts';
import { formatBytes } from '../format-bytes.ts';

/** For logs and the append-only file of Redis, which refuses writes on a full disk. Packs check their own space. */
const LEAST_FREE_BYTES = 32 * 1024 ** 2;

/** Throws DomainError `unavailable` naming the folder. */
export function prepareHome(home: string): void {
  try {
    mkdirSync(home, { recursive: true, mode: 0o700 });
    accessSync(home, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const message = `${home} is not writable (${code}). Change its owner or permissions, or choose another folder with --home.`;
    throw new DomainError('unavailable', message, { param: 'home', cause });
  }
  const { bavail, bsize } = statfsSync(home);
  refuseFullDisk(home, bavail * bsize);
}

function refuseFullDisk(home: string, freeBytes: number): void {
  if (freeBytes >= LEAST_FREE_BYTES) return;
  const has = `The disk of ${home} has ${formatBytes(freeBytes)} free, but queues and logs need ${formatBytes(LEAST_FREE_BYTES)}`;
  throw new DomainError('unavailable', `${has}. Free some space, or choose another folder with --home.`, {
    param: 'home',
  });
}
