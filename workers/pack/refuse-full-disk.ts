// A disk that is too small is refused before anything is written. Pure.
import { DomainError } from '../../infra/errors/domain-error.ts';

/** Throws DomainError `unavailable` when `freeBytes` of the disk of `folder` do not suffice. */
export function refuseFullDisk(folder: string, freeBytes: number, neededBytes: number): void {
  if (freeBytes >= neededBytes) return;
  throw new DomainError(
    'unavailable',
    `${folder}: building the packs takes ${neededBytes} bytes of disk, but only ${freeBytes} are free`,
    { param: folder },
  );
}
