// Which Redis `conclave node` joins: a command line shows its secrets to all users of a machine, so there are other ways.
import { readFileSync } from 'node:fs';
import { DomainError } from '../errors/domain-error.ts';

interface JoinFlags {
  readonly join: string | undefined;
  readonly joinFile: string | undefined;
}

/** From --join or --join-file, else CONCLAVE_JOIN; undefined leaves it to the configuration. Throws `bad_config`. */
export function joinUrl({ join, joinFile }: JoinFlags, environment: NodeJS.ProcessEnv): string | undefined {
  if (join !== undefined && joinFile !== undefined) {
    throw new DomainError('bad_config', 'Received both --join and --join-file. Leave one out.');
  }
  const named = environment['CONCLAVE_JOIN'] ?? '';
  return joinFile === undefined ? (join ?? (named === '' ? undefined : named)) : readUrl(joinFile);
}

function readUrl(file: string): string {
  const url = readText(file).trim();
  if (url !== '') return url;
  throw new DomainError('bad_config', `${file} is empty. Write the Redis URL of the group into it.`, {
    param: 'joinFile',
  });
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const message = `${file} cannot be read (${code}). Name a readable file with the Redis URL of the group in --join-file.`;
    throw new DomainError('bad_config', message, { param: 'joinFile', cause });
  }
}
