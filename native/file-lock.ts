// A lock that one process at a time can hold. The kernel releases it when the process ends, however that happens; what is
// written in the file tells people who holds the lock and decides nothing.
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { Addon } from './addon-types.ts';
import { loadAddon } from './load-addon.ts';
import { NativeError } from './native-error.ts';

export class FileLock {
  // A number, not an object of the addon: garbage collection must not release the lock.
  readonly #descriptor: number;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /**
   * Makes the file where it is missing, locks it and writes `note` into it; null when someone else holds the lock, this process
   * included. Throws NativeError `io` naming the path, for instance on a filesystem without locks.
   */
  static tryAcquire(path: string, note: string): FileLock | null {
    const { tryLockFile } = loadAddon();
    try {
      return lockAndWrite(path, note, tryLockFile);
    } catch (thrown) {
      const reason = thrown instanceof Error ? thrown.message : String(thrown);
      throw new NativeError('io', `${path} cannot be locked: ${reason}`, { cause: thrown });
    }
  }

  /** What the holder wrote; '' where there is none. */
  static readNote(path: string): string {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      // No such file: it was never locked.
      return '';
    }
  }

  /** The file stays: removing it would let two processes lock two files of one name. */
  release(): void {
    ftruncateSync(this.#descriptor);
    closeSync(this.#descriptor);
  }
}

function lockAndWrite(path: string, note: string, tryLockFile: Addon['tryLockFile']): FileLock | null {
  // Node opens with O_CLOEXEC: a child would otherwise hold the lock after this process has died.
  const descriptor = openSync(path, 'a', 0o666);
  try {
    if (tryLockFile(descriptor)) {
      ftruncateSync(descriptor);
      writeSync(descriptor, note);
      return new FileLock(descriptor);
    }
  } catch (thrown) {
    closeSync(descriptor);
    throw thrown;
  }
  closeSync(descriptor);
  return null;
}
