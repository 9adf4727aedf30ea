// One builder per pack folder: others wait for it instead of doing the same work. Correctness does not rest on the lock, packs
// appear by rename. The system releases the lock of a builder that dies.
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { FileLock } from '../../native/file-lock.ts';
import { NativeError } from '../../native/native-error.ts';

const LOCK_FILE = 'build.lock';
const POLL_MS = 200;

const ownerSchema = z.object({ pid: z.number(), host: z.string() });
export type LockOwner = z.infer<typeof ownerSchema>;

/**
 * Waits until this process owns the folder's lock, calling `onWait` once if another does; resolves with its release. Throws
 * DomainError `unavailable` with the remedy where files cannot be locked.
 */
export async function acquirePackLock(
  folder: string,
  onWait: (owner: LockOwner) => void,
  remedy = 'Packs are built there: use a folder on a local disk (--home).',
): Promise<() => void> {
  const path = join(folder, LOCK_FILE);
  let told = false;
  for (;;) {
    const lock = tryLock(path, remedy);
    if (lock !== null) return () => lock.release();
    if (!told) told = tellOwner(path, onWait);
    await delay(POLL_MS);
  }
}

function tryLock(path: string, remedy: string): FileLock | null {
  try {
    return FileLock.tryAcquire(path, JSON.stringify({ pid: process.pid, host: hostname() } satisfies LockOwner));
  } catch (thrown) {
    if (!(thrown instanceof NativeError)) throw thrown;
    const message = `${thrown.message}. ${remedy}`;
    throw new DomainError('unavailable', message, { param: path, cause: thrown });
  }
}

/** False while the owner is still writing its identity. */
function tellOwner(path: string, onWait: (owner: LockOwner) => void): boolean {
  const owner = parseOwner(FileLock.readNote(path));
  if (owner !== null) onWait(owner);
  return owner !== null;
}

function parseOwner(text: string): LockOwner | null {
  try {
    return ownerSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
