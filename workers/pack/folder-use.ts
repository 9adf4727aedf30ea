// Which processes use the slabs of a folder. Each holds a lock on a file of its own there, which the system releases with the process.
// A slot may be overwritten only by a process that is alone: others may have it mapped and attached.
import { randomUUID } from 'node:crypto';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { FileLock } from '../../native/file-lock.ts';
import { NativeError } from '../../native/native-error.ts';

const USER_FILE = /^user-.*\.lock$/;

export class FolderUse {
  readonly #path: string;
  readonly #lock: FileLock;

  private constructor(path: string, lock: FileLock) {
    this.#path = path;
    this.#lock = lock;
  }

  /** To be called before the table is read. Null for a folder that is not there or cannot be written: nothing is replaced there. */
  static register(folder: string): FolderUse | null {
    for (;;) {
      const path = join(folder, `user-${randomUUID()}.lock`);
      try {
        const lock = FileLock.tryAcquire(path, String(process.pid));
        // A process that looked whether it is alone may have removed the file before it was locked.
        if (lock !== null && exists(path)) return new FolderUse(path, lock);
        lock?.release();
      } catch (thrown) {
        if (thrown instanceof NativeError) return null;
        throw thrown;
      }
    }
  }

  /** Whether no one else uses the folder now. Removes what dead processes left. */
  isAlone(): boolean {
    const folder = join(this.#path, '..');
    const others = readdirSync(folder).filter((name) => USER_FILE.test(name) && name !== basename(this.#path));
    return others.map((name) => removeIfDead(join(folder, name))).every((dead) => dead);
  }

  release(): void {
    rmSync(this.#path, { force: true });
    this.#lock.release();
  }
}

function removeIfDead(path: string): boolean {
  const lock = FileLock.tryAcquire(path, '');
  if (lock === null) return false;
  rmSync(path, { force: true });
  lock.release();
  return true;
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
