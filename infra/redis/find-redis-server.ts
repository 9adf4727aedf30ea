// Finds the server binary. Must not install anything.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { DomainError } from '../errors/domain-error.ts';

const NAMES = ['redis-server', 'valkey-server'];

/** Path of the server binary: REDIS_SERVER_BIN, or else redis-server or valkey-server on PATH; null if not found. */
export function findRedisServer(env: NodeJS.ProcessEnv = process.env): string | null {
  const named = env['REDIS_SERVER_BIN'] ?? '';
  if (named !== '') return isExecutable(named) ? named : null;
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable) ?? null;
}

/** The error for a machine without a server, with installation instructions. */
export function noRedisServer(platform: NodeJS.Platform = process.platform): DomainError {
  const install = platform === 'darwin' ? 'brew install redis' : 'apt-get install redis-server';
  return new DomainError(
    'unavailable',
    `No redis-server or valkey-server was found on PATH. Install one (${install}), name one in REDIS_SERVER_BIN, or set REDIS_URL.`,
    { param: 'REDIS_SERVER_BIN' },
  );
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
