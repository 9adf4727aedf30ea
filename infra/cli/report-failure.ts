// How a failed command ends: one line a person can act on, or with --json an object a program can.
import { DomainError, toDomainError } from '../errors/domain-error.ts';

/** Writes the failure: to stderr as text, to stdout as {"error": {code, message, param}}. */
export function reportFailure(thrown: unknown, json: boolean): void {
  const error = toDomainError(thrown);
  if (json) {
    const { code, message, param = null } = error;
    process.stdout.write(`${JSON.stringify({ error: { code, message, param } })}\n`);
    return;
  }
  process.stderr.write(`conclave: ${error.message}\n`);
  // A failure that we did not foresee is a fault of ours: whoever reports it needs to see it.
  if (!(thrown instanceof DomainError)) console.error(thrown);
}
