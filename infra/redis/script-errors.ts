// Translates Redis failures into DomainErrors: negative replies of our scripts, lost connections and refused writes.
import { DomainError, type ErrorCode } from '../errors/domain-error.ts';

interface ScriptError {
  readonly code: ErrorCode;
  readonly message: string;
}

/** Message for any credential of a blocked tenant. */
export const TENANT_BLOCKED = 'This tenant is blocked. Ask the operator to unblock it.';

/** Meaning of each negative reply; the Lua files use the same numbers. */
export const SCRIPT_ERRORS: Readonly<Record<number, ScriptError>> = {
  [-1]: { code: 'fenced', message: 'Another process leads this group now.' },
  [-2]: {
    code: 'queue_full',
    message: 'Too many requests of this tenant are waiting. Retry after the time in the retry-after header.',
  },
  [-3]: {
    code: 'conflict',
    message: 'This Idempotency-Key was already used with a different body. Use a new key for a new request.',
  },
  [-4]: { code: 'unavailable', message: 'This queue is draining and accepts no new requests. Retry later.' },
  [-5]: { code: 'not_found', message: 'No request has this id, or it has expired.' },
  [-6]: { code: 'conflict', message: 'A request with this id already exists.' },
  [-7]: { code: 'internal', message: 'A token stream entry would overwrite a different one.' },
  [-8]: { code: 'conflict', message: 'Another process runs under this node id.' },
  [-9]: { code: 'insufficient_scope', message: TENANT_BLOCKED },
};

/** Returns the reply. Throws the DomainError of a negative integer, alone or first in a list. */
export function throwIfErrorCode(reply: unknown): unknown {
  const code = Array.isArray(reply) ? reply[0] : reply;
  if (typeof code === 'number' && code < 0) throw scriptError(code);
  return reply;
}

/** The DomainError of a script's error code. */
export function scriptError(code: number, retryAfterSeconds?: number): DomainError {
  const known = SCRIPT_ERRORS[code];
  if (known === undefined)
    return new DomainError('internal', 'An internal error occurred.', { cause: `script code ${code}` });
  return new DomainError(known.code, known.message, retryAfterSeconds === undefined ? {} : { retryAfterSeconds });
}

const NO_ANSWER =
  /^(Connection is closed|Command timed out|Reached the max retries|LOADING|Stream isn't writeable|connect E|read E|write E)/;

/** Out of memory, disk full or demoted to a replica; Redis 6 adds a prefix when a script runs into it. */
const NO_WRITES = /^(ERR Error running script .*: -?)?(OOM|MISCONF|READONLY|NOREPLICAS|MASTERDOWN|BUSY) /;

/** Converts errors of an unreachable or read-only Redis into `unavailable`. Returns any other error unchanged. */
export function asRedisError(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || thrown instanceof DomainError) return thrown;
  const details = { retryAfterSeconds: 1, cause: thrown };
  const { message } = refusedInTransaction(thrown) ?? thrown;
  if (NO_ANSWER.test(message)) return new DomainError('unavailable', 'Redis does not answer.', details);
  if (NO_WRITES.test(message)) return new DomainError('unavailable', 'Redis accepts no writes.', details);
  return thrown;
}

/** EXEC fails with EXECABORT; the cause is the error of the first refused command. */
function refusedInTransaction(thrown: Error & { readonly previousErrors?: readonly Error[] }): Error | undefined {
  return thrown.previousErrors?.[0];
}

/** Awaits a plain command, translating errors as runScript does. */
export async function askRedis<Reply>(command: Promise<Reply>): Promise<Reply> {
  try {
    return await command;
  } catch (thrown) {
    throw asRedisError(thrown);
  }
}
