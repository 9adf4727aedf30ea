// One `conclave start` per home folder: two would serve from the same Redis files.
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DomainError } from '../../errors/domain-error.ts';
import { isAlive } from '../../process/is-alive.ts';

const FILE = 'start.pid';

/** Claims `home` for this process; returns what gives it back. Throws DomainError `conflict` naming the process that has it. */
export function claimHome(home: string): () => void {
  const path = join(home, FILE);
  const owner = ownerOf(path);
  if (owner !== null && isAlive(owner)) {
    const message = `Process ${owner} already serves from ${home}. Stop it, or name another folder with --home.`;
    throw new DomainError('conflict', message, { param: 'home' });
  }
  rmSync(path, { force: true });
  writeExclusively(path, home);
  return () => rmSync(path, { force: true });
}

function ownerOf(path: string): number | null {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch {
    // No such file: nobody has claimed the folder.
    return null;
  }
}

function writeExclusively(path: string, home: string): void {
  try {
    const file = openSync(path, 'wx', 0o600);
    writeSync(file, String(process.pid));
    closeSync(file);
  } catch (cause) {
    throw new DomainError('conflict', `${home} cannot be claimed: another process is starting there.`, { cause });
  }
}
