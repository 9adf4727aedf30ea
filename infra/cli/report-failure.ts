// Reports a failed command: as one actionable line, or with --json as an object.
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
  // An unexpected failure is a bug in Conclave: print the stack for the bug report.
  if (expected === undefined) console.error(thrown);
}
