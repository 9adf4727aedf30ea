// One `conclave start` per home folder: two would serve from the same Redis files. A lock of the system decides, because a
// process id does not: the next container has the same one.
import { hostname } from 'node:os';
import { join } from 'node:path';
import { FileLock } from '../../../native/file-lock.ts';
import { NativeError } from '../../../native/native-error.ts';
import { DomainError } from '../../errors/domain-error.ts';

const LOCK_FILE = 'start.lock';

/**
 * Claims `home` until this process ends or calls what is returned. Throws DomainError: `conflict` naming the process that has
 * it, `unavailable` where files cannot be locked.
 */
export function claimHome(home: string): () => void {
  const path = join(home, LOCK_FILE);
  const lock = lockHome(path);
  if (lock === null) {
    const owner = FileLock.readNote(path) || 'Another process';
    const message = `${owner} already serves from ${home}. Stop it, or name another folder with --home.`;
    throw new DomainError('conflict', message, { param: 'home' });
  }
  return () => lock.release();
}

function lockHome(path: string): FileLock | null {
  try {
    return FileLock.tryAcquire(path, `Process ${process.pid} on ${hostname()}`);
  } catch (thrown) {
    if (!(thrown instanceof NativeError)) throw thrown;
    const message = `${thrown.message}. Name a folder on a local disk with --home.`;
    throw new DomainError('unavailable', message, { param: 'home', cause: thrown });
  }
}
