// Request headers of a generation: resumability and idempotency.
import { createHash } from 'node:crypto';
import { z } from '@hono/zod-openapi';
import { DomainError } from '../../infra/errors/domain-error.ts';

/** Printable ASCII, as the header's draft has it; the length is our cap on what is stored. */
export const idempotencyKeySchema = z
  .string()
  .regex(/^[\x21-\x7e]{1,255}$/)
  .describe('Makes a retry safe: a repetition with the same key and body gets the answer of the first request.');

/** Digits; the largest value is configured. */
export const resumeSecondsSchema = z
  .string()
  .regex(/^\d{1,9}$/)
  .describe('Seconds that the generation continues after its client disconnects, up to a limit of the server.');

export const lastEventIdSchema = z
  .string()
  .regex(/^\d{1,15}$/)
  .describe('The id of the last event that the client received.');

/**
 * Seconds that a stream outlives a client that leaves; 0 without the header.
 * @throws DomainError `invalid_request` unless it is an integer of 0..maxSeconds.
 */
export function readResumeSeconds(header: string | undefined, maxSeconds: number): number {
  if (header === undefined) return 0;
  const seconds = resumeSecondsSchema.safeParse(header).success ? Number(header) : Number.NaN;
  if (seconds <= maxSeconds) return seconds;
  const message = `Invalid 'Conclave-Resume': expected an integer of 0 to ${maxSeconds} (seconds).`;
  throw new DomainError('invalid_request', message, { param: 'Conclave-Resume' });
}

/** The client's key and a digest of its request: the same key with another body or endpoint is a mistake, not a retry. */
export interface Idempotency {
  readonly key: string;
  readonly bodyDigest: string;
}

/** Null without the header. @throws DomainError `invalid_request` unless it is 1 to 255 printable characters. */
export function readIdempotency(header: string | undefined, path: string, body: Uint8Array): Idempotency | null {
  if (header === undefined) return null;
  if (!idempotencyKeySchema.safeParse(header).success) {
    const message = "Invalid 'Idempotency-Key': expected 1 to 255 printable ASCII characters without spaces.";
    throw new DomainError('invalid_request', message, { param: 'Idempotency-Key' });
  }
  return { key: header, bodyDigest: createHash('sha256').update(`${path}\n`).update(body).digest('hex') };
}

/**
 * The last seq that a client has, 0 without the header.
 * @throws DomainError `invalid_request` unless it has the form of our event ids.
 */
export function readLastEventId(header: string | undefined): number {
  if (header === undefined || header === '') return 0;
  if (lastEventIdSchema.safeParse(header).success) return Number(header);
  throw wrongEventId(`expected the id of an event of this stream but received '${header.slice(0, 64)}'`);
}

/** What is wrong with an id that a stream which has ended never gave; undefined when nothing is. */
export function beyondEnd(afterSeq: number, lastSeq: number): DomainError | undefined {
  if (afterSeq <= lastSeq) return undefined;
  return wrongEventId(
    `expected at most ${lastSeq}, the id of the last event of this stream, but received '${afterSeq}'`,
  );
}

function wrongEventId(what: string): DomainError {
  return new DomainError('invalid_request', `Invalid 'Last-Event-ID': ${what}.`, { param: 'Last-Event-ID' });
}
