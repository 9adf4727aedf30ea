// Queue names and job ids. One BullMQ queue per model and tenant; BullMQ refuses ':' in names and integers as ids. Pure.
import { DomainError } from '../errors/domain-error.ts';

export interface QueueOwner {
  readonly model: string;
  readonly tenant: string;
}

const MAX_PART_BYTES = 256;
const PLAIN_BYTE = /[A-Za-z0-9._-]/;
const PLAIN_PART = /^[A-Za-z0-9._-]{1,256}$/;
const ENCODED_PART = /^(?:[A-Za-z0-9._-]|=[0-9A-F]{2})+$/;
const REQUEST_ID = /^[A-Za-z][A-Za-z0-9_-]{7,79}$/;

/** `<model>@<tenant>`, every byte outside [A-Za-z0-9._-] as `=XX`. Throws `invalid_request` for empty or overlong parts. */
export function encodeQueueName(owner: QueueOwner): string {
  return `${encodePart('model', owner.model)}@${encodePart('tenant', owner.tenant)}`;
}

/** The inverse of encodeQueueName. Throws `invalid_request` for a name that encodeQueueName cannot produce. */
export function decodeQueueName(name: string): QueueOwner {
  const [model, tenant, ...rest] = name.split('@');
  if (model === undefined || tenant === undefined || rest.length > 0) throw badName(name);
  return { model: decodePart(name, model), tenant: decodePart(name, tenant) };
}

/** Throws `invalid_request` unless the id can name a job: a letter, then 7 to 79 of [A-Za-z0-9_-]. */
export function checkRequestId(id: string): void {
  if (REQUEST_ID.test(id)) return;
  throw new DomainError(
    'invalid_request',
    `Expected a letter and 7 to 79 of [A-Za-z0-9_-] for \`id\` but received "${id}".`,
    {
      param: 'id',
    },
  );
}

function encodePart(field: string, text: string): string {
  if (PLAIN_PART.test(text)) return text;
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length === 0 || bytes.length > MAX_PART_BYTES) {
    throw new DomainError(
      'invalid_request',
      `Expected 1 to ${MAX_PART_BYTES} bytes for \`${field}\` but received ${bytes.length}.`,
      { param: field },
    );
  }
  return Array.from(bytes, (byte) => encodeByte(byte)).join('');
}

function encodeByte(byte: number): string {
  const character = String.fromCharCode(byte);
  return PLAIN_BYTE.test(character) ? character : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}

function decodePart(name: string, part: string): string {
  if (!ENCODED_PART.test(part)) throw badName(name);
  const bytes = part
    .match(/=..|[^=]/g)
    ?.map((piece) => (piece.length === 3 ? Number.parseInt(piece.slice(1), 16) : piece.charCodeAt(0)));
  return Buffer.from(bytes ?? []).toString('utf8');
}

function badName(name: string): DomainError {
  return new DomainError('invalid_request', `Expected a queue name <model>@<tenant> but received "${name}".`, {
    param: 'queue',
  });
}
