// A disk that is too small is refused before anything is written. Pure.
import { DomainError } from '../../infra/errors/domain-error.ts';

/** Throws DomainError `unavailable` when `freeBytes` of the disk of `folder` do not suffice. `what`: what needs them. */
export function refuseFullDisk(folder: string, freeBytes: number, neededBytes: number, what: string): void {
  if (freeBytes >= neededBytes) return;
  const message = `${folder}: ${what} takes ${neededBytes} bytes of disk, but only ${freeBytes} are free`;
  throw new DomainError('unavailable', message, { param: folder });
}
