// Allows one `conclave start` per home folder, because two would use the same Redis files. It takes a file lock: a process id
// would not do, since a restarted container may have the same one.
import { hostname } from 'node:os';
import { join } from 'node:path';
import { FileLock } from '../../../native/file-lock.ts';
import { NativeError } from '../../../native/native-error.ts';
import { DomainError } from '../../errors/domain-error.ts';

const LOCK_FILE = 'start.lock';

/**
 * Claims `home` until this process exits or calls the returned function. Throws DomainError `conflict` naming the process that
 * has it, or `unavailable` if its filesystem does not support locks.
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
