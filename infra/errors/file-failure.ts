// Converts system errors about files into errors that name the file and the remedy. Pure.
import { DomainError, type ErrorCode } from './domain-error.ts';

/** Ends a message about a damaged file of a model. */
export const COPY_AGAIN = '; copy the file again from where the model came from';

const REMEDIES: Readonly<Record<string, string>> = {
  EACCES: 'permission denied: change its owner or permissions',
  EPERM: 'permission denied: change its owner or permissions',
  EROFS: 'it is on a read-only filesystem: use another folder',
  ENOSPC: 'the disk is full: free some space, or use a folder on another disk',
  EDQUOT: 'the quota of this user is used up: free some space, or use a folder on another disk',
  ERR_FS_EISDIR: 'it is a folder where a file is expected: move it away',
  EISDIR: 'it is a folder where a file is expected: move it away',
  ENOTDIR: 'a part of its path is a file where a folder is expected: move that file away',
  EEXIST: 'it is a file where a folder is expected: move it away',
  ENOENT: 'it does not exist: check the path',
  EMFILE: 'too many files are open: raise `ulimit -n`',
};

/** Undefined unless `thrown` is a system error with a known remedy. `file` is used if the error has no path. */
export function fileFailure(
  thrown: unknown,
  errorCode: ErrorCode = 'unavailable',
  file?: string,
): DomainError | undefined {
  const { code = '', path = file, syscall = 'use' } = thrown as Partial<NodeJS.ErrnoException>;
  const remedy = REMEDIES[code];
  if (!(thrown instanceof Error) || remedy === undefined) return undefined;
  const what = path === undefined ? `A file cannot be used (${syscall}` : `${path} cannot be used (${syscall}`;
  return new DomainError(errorCode, `${what}: ${code}): ${remedy}.`, {
    ...(path && { param: path }),
    cause: thrown,
  });
}
