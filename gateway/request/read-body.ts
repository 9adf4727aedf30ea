// Request body -> text, within a size limit. Bytes are counted as they arrive, regardless of content-length.
import { DomainError } from '../../infra/errors/domain-error.ts';
import { decodeBody, readContentEncoding } from './decode-body.ts';

/**
 * Reads the bytes of a body and decodes them if they are compressed. The limit applies both before and after decoding.
 * @throws DomainError `payload_too_large` past `limit` bytes, `unsupported_media_type` for an unknown content-encoding,
 * `invalid_request` when the client stops before the end.
 */
export async function readBytes(request: Request, limit: number): Promise<Uint8Array> {
  const encoding = readContentEncoding(request.headers.get('content-encoding'));
  refuseAnnounced(request, limit);
  if (encoding !== null) return collect(within(decodeBody(within(arriving(request), limit), encoding), limit));
  if (request.headers.get('content-length') === null) return collect(within(arriving(request), limit));
  return readWhole(request);
}

function refuseAnnounced(request: Request, limit: number): void {
  const announced = request.headers.get('content-length');
  if (announced !== null && !(Number(announced) <= limit)) throw tooLarge(limit);
}

/** The fast path: the server delivers exactly what was announced. */
async function readWhole(request: Request): Promise<Uint8Array> {
  try {
    return new Uint8Array(await request.arrayBuffer());
  } catch (cause) {
    throw incomplete(cause);
  }
}

async function* arriving(request: Request): AsyncGenerator<Uint8Array> {
  try {
    yield* request.body ?? [];
  } catch (cause) {
    throw incomplete(cause);
  }
}

async function* within(chunks: AsyncIterable<Uint8Array>, limit: number): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > limit) throw tooLarge(limit);
    yield chunk;
  }
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const collected: Uint8Array[] = [];
  for await (const chunk of chunks) collected.push(chunk);
  return Buffer.concat(collected);
}

function incomplete(cause: unknown): DomainError {
  return new DomainError('invalid_request', 'The request body did not arrive completely. Send it again.', { cause });
}

/**
 * Reads a body as text.
 * @throws DomainError `payload_too_large`, or `invalid_request` when it is not UTF-8.
 */
export async function readTextBody(request: Request, limit: number): Promise<string> {
  return decodeUtf8(await readBytes(request, limit));
}

/** @throws DomainError `invalid_request` for bytes that are not UTF-8: a replaced character would change the prompt. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new DomainError('invalid_request', 'The request body is not valid UTF-8.', { cause });
  }
}

function tooLarge(limit: number): DomainError {
  return new DomainError('payload_too_large', `The request body is larger than ${limit} bytes. Send a smaller one.`);
}
