// The one translation from Redis to DomainError: negative integers of our scripts, and connections that do not answer.
import { DomainError, type ErrorCode } from '../errors/domain-error.ts';

interface ScriptError {
  readonly code: ErrorCode;
  readonly message: string;
}

/** Told to whoever comes with a credential of a blocked tenant. */
export const TENANT_BLOCKED = 'This tenant is blocked.';

/** What a negative reply means; the Lua files use the same numbers. */
export const SCRIPT_ERRORS: Readonly<Record<number, ScriptError>> = {
  [-1]: { code: 'fenced', message: 'Another process leads this group now.' },
  [-2]: { code: 'queue_full', message: 'Too many requests of this tenant are waiting.' },
  [-3]: { code: 'conflict', message: 'The Idempotency-Key was used before with a different body.' },
  [-4]: { code: 'unavailable', message: 'This queue accepts no new requests at the moment.' },
  [-5]: { code: 'not_found', message: 'There is no such request.' },
  [-6]: { code: 'conflict', message: 'A request with this id exists already.' },
  [-7]: { code: 'internal', message: 'An entry of a token stream would replace a different one.' },
  [-8]: { code: 'conflict', message: 'Another process runs under this node id.' },
  [-9]: { code: 'insufficient_scope', message: TENANT_BLOCKED },
};

/** Returns the reply, or throws what a negative integer (alone or as the first of a list) stands for. */
export function throwIfErrorCode(reply: unknown): unknown {
  const code = Array.isArray(reply) ? reply[0] : reply;
  if (typeof code === 'number' && code < 0) throw scriptError(code);
  return reply;
}

/** The error of a code. `retryAfterSeconds` is passed on. */
export function scriptError(code: number, retryAfterSeconds?: number): DomainError {
  const known = SCRIPT_ERRORS[code];
  if (known === undefined)
    return new DomainError('internal', 'An internal error occurred.', { cause: `script code ${code}` });
  return new DomainError(known.code, known.message, retryAfterSeconds === undefined ? {} : { retryAfterSeconds });
}

const NO_ANSWER =
  /^(Connection is closed|Command timed out|Reached the max retries|LOADING|Stream isn't writeable|connect E|read E|write E)/;

/** Out of memory, disk full, demoted to a replica; also from within a script, as Redis 6 reports it. */
const NO_WRITES = /^(ERR Error running script .*: -?)?(OOM|MISCONF|READONLY|NOREPLICAS|MASTERDOWN|BUSY) /;

/** Turns what ioredis throws while Redis is away, or takes no writes, into `unavailable`; leaves everything else as it is. */
export function asRedisError(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || thrown instanceof DomainError) return thrown;
  const details = { retryAfterSeconds: 1, cause: thrown };
  const { message } = refusedInTransaction(thrown) ?? thrown;
  if (NO_ANSWER.test(message)) return new DomainError('unavailable', 'Redis does not answer.', details);
  if (NO_WRITES.test(message)) return new DomainError('unavailable', 'Redis accepts no writes.', details);
  return thrown;
}

/** MULTI reports the first refusal of its commands beside an error of its own, EXECABORT. */
function refusedInTransaction(thrown: Error & { readonly previousErrors?: readonly Error[] }): Error | undefined {
  return thrown.previousErrors?.[0];
}

/** Awaits a plain command with the same translation as a script. */
export async function askRedis<Reply>(command: Promise<Reply>): Promise<Reply> {
  try {
    return await command;
  } catch (thrown) {
    throw asRedisError(thrown);
  }
}
