// Mistral's templates accept ids of nine letters and digits only.
import { createHash } from 'node:crypto';

/** An id of that form stays as it is; others become one, always the same. */
export function shortCallId(id: string): string {
  return /^[a-zA-Z0-9]{9}$/u.test(id) ? id : createHash('sha256').update(id).digest('hex').slice(0, 9);
}
