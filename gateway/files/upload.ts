// POST /v1/files: a multipart body -> a stored file, chunk by chunk.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { GatewayContext } from '../environment.ts';
import type { GatewayParts } from '../parts.ts';
import type { StoredFile } from './file-store.ts';
import { type FormPart, readBoundary, readMultipart } from './read-multipart.ts';

const CHUNK_BYTES = 256 * 1024;
const MOST_FIELD_BYTES = 1024;
/** Expiry is the server's; clients may send their wish. */
const TAKEN_FIELDS = /^(purpose|expires_after(\[\w+\])?)$/;

/** @throws DomainError `invalid_request`, `payload_too_large`, `unsupported_media_type`. */
export async function uploadFile(parts: GatewayParts, c: GatewayContext, tenant: string): Promise<StoredFile> {
  const boundary = readBoundary(c.req.header('content-type'));
  const id = makeFileId(parts.random);
  try {
    const form = await readForm(parts, id, readMultipart(c.req.raw.body ?? noBody(), boundary));
    const createdAtMs = parts.clock();
    const expiresAtMs = createdAtMs + Math.ceil(parts.config.files.retentionSeconds * 1000);
    const file: StoredFile = { id, tenant, createdAtMs, expiresAtMs, purpose: 'batch', ...form };
    await parts.files.complete(file);
    return file;
  } catch (error) {
    await parts.files.abandon(id).catch(() => {});
    throw error;
  }
}

async function* noBody(): AsyncGenerator<Uint8Array> {}

/** A fresh id; `random(n)` gives n unpredictable bytes. */
export function makeFileId(random: (size: number) => Uint8Array): string {
  return `file-${Buffer.from(random(12)).toString('hex')}`;
}

async function readForm(parts: GatewayParts, id: string, form: AsyncIterable<FormPart>) {
  let purpose: string | null = null;
  let file: { readonly filename: string; readonly bytes: number } | null = null;
  for await (const part of form) {
    if (part.name === 'file')
      file = { filename: part.filename ?? 'file', bytes: await storeBody(parts, id, part.body) };
    else {
      const text = await readField(part);
      if (part.name === 'purpose') purpose = text;
    }
  }
  refusePurpose(purpose);
  if (file === null) throw missing('file');
  return file;
}

function refusePurpose(purpose: string | null): void {
  if (purpose === null) throw missing('purpose');
  if (purpose === 'batch') return;
  const message = `Invalid 'purpose': expected batch but received '${purpose.slice(0, 64)}'.`;
  throw new DomainError('invalid_request', message, { param: 'purpose' });
}

function missing(param: string): DomainError {
  return new DomainError('invalid_request', `Missing required parameter: '${param}'.`, { param });
}

async function readField({ name, body }: FormPart): Promise<string> {
  if (!TAKEN_FIELDS.test(name)) {
    const param = name.slice(0, 64);
    throw new DomainError('invalid_request', `Unrecognized request argument supplied: '${param}'.`, { param });
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MOST_FIELD_BYTES)
      throw new DomainError('invalid_request', `Invalid '${name}': too long.`, { param: name });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** Returns the number of bytes. */
async function storeBody(parts: GatewayParts, id: string, body: AsyncIterable<Uint8Array>): Promise<number> {
  const { fileBytes } = parts.config.files;
  let pending: Uint8Array[] = [];
  let [waiting, total] = [0, 0];
  const flush = async () => {
    if (waiting > 0) await parts.files.append(id, Buffer.concat(pending));
    pending = [];
    waiting = 0;
  };
  for await (const chunk of body) {
    total += chunk.length;
    if (total > fileBytes) throw tooLarge(fileBytes);
    pending.push(chunk);
    waiting += chunk.length;
    if (waiting >= CHUNK_BYTES) await flush();
  }
  await flush();
  return total;
}

function tooLarge(limit: number): DomainError {
  return new DomainError('payload_too_large', `The file is larger than ${limit} bytes. Split it.`, { param: 'file' });
}
