// What the system refuses about a file, as an error that names the file and what to do about it. Pure.
import { DomainError, type ErrorCode } from './domain-error.ts';

/** The end of a message about a file of a model whose content cannot be right. */
export const COPY_AGAIN = '; copy the file again from where the model came from';

const REMEDIES: Readonly<Record<string, string>> = {
  EACCES: 'this user may not use it: change its owner or permissions',
  EPERM: 'this user may not use it: change its owner or permissions',
  EROFS: 'it is on a read-only filesystem: use another folder',
  ENOSPC: 'the disk is full: free some space, or use a folder on another disk',
  EDQUOT: 'the quota of this user is used up: free some space, or use a folder on another disk',
  ERR_FS_EISDIR: 'it is a folder where a file is expected: move it away',
  EISDIR: 'it is a folder where a file is expected: move it away',
  ENOTDIR: 'a part of its path is a file where a folder is expected: move that away',
  EEXIST: 'it is a file where a folder is expected: move it away',
  ENOENT: 'it does not exist: name one that does',
  EMFILE: 'too many files are open: raise `ulimit -n`',
};

/** undefined for anything but a system error with a known remedy. `file` is for errors without a path, as of reading a folder. */
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
