// How a failed command ends: one line a person can act on, or with --json an object a program can.
import { DomainError, toDomainError } from '../errors/domain-error.ts';
import { fileFailure } from '../errors/file-failure.ts';

/** Writes the failure: to stderr as text, to stdout as {"error": {code, message, param}}. */
export function reportFailure(thrown: unknown, json: boolean): void {
  const expected = thrown instanceof DomainError ? thrown : fileFailure(thrown);
  const error = expected ?? toDomainError(thrown);
  if (json) {
    const { code, message, param = null } = error;
    process.stdout.write(`${JSON.stringify({ error: { code, message, param } })}\n`);
    return;
  }
  process.stderr.write(`conclave: ${error.message}\n`);
  // A failure that we did not foresee is a fault of ours: whoever reports it needs to see it.
  if (expected === undefined) console.error(thrown);
}
