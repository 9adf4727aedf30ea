// The secret under which API keys are hashed: a file that only its owner reads. Losing it invalidates every key.
import { randomBytes, randomUUID } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { DomainError } from '../errors/domain-error.ts';

const MIN_BYTES = 32;

/**
 * The pepper in the file at `path`, which is created if it does not exist.
 * @throws DomainError `bad_config` when the file cannot be read or written, or is too short to be a secret.
 */
export function readPepper(path: string): Buffer {
  try {
    const pepper = readOrCreate(path);
    if (pepper.length < MIN_BYTES)
      throw new DomainError(
        'bad_config',
        `${path}: expected a pepper of at least 32 bytes. Restore it from a backup; without it all keys are invalid.`,
      );
    return pepper;
  } catch (cause) {
    if (cause instanceof DomainError) throw cause;
    throw new DomainError(
      'bad_config',
      `${path}: the pepper cannot be read or created. Check the permissions of the file and its folder.`,
      { cause },
    );
  }
}

function readOrCreate(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  makePepper(path);
  return readFileSync(path);
}

/** Written aside and linked into place: of two gateways that start at once both read the same finished file. */
function makePepper(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomUUID()}`;
  writeFileSync(draft, randomBytes(MIN_BYTES).toString('hex'), { mode: 0o600 });
  try {
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}
