// Request body -> text, within a size limit: bytes are counted as they arrive, whatever was announced.
import { DomainError } from '../../infra/errors/domain-error.ts';

/**
 * Reads the bytes of a body.
 * @throws DomainError `payload_too_large` past `limit` bytes, `invalid_request` when the client stops before the end.
 */
export async function readBytes(request: Request, limit: number): Promise<Uint8Array> {
  try {
    return await readWithin(request, limit);
  } catch (cause) {
    if (cause instanceof DomainError) throw cause;
    throw new DomainError('invalid_request', 'The request body did not arrive completely.', { cause });
  }
}

async function readWithin(request: Request, limit: number): Promise<Uint8Array> {
  const announced = request.headers.get('content-length');
  if (announced === null) return readCounted(request.body, limit);
  // The server delivers exactly what was announced, so reading it whole (the fast path) is bounded too.
  if (!(Number(announced) <= limit)) throw tooLarge(limit);
  const bytes = new Uint8Array(await request.arrayBuffer());
  if (bytes.length > limit) throw tooLarge(limit);
  return bytes;
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

async function readCounted(body: ReadableStream<Uint8Array> | null, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > limit) throw tooLarge(limit);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(limit: number): DomainError {
  return new DomainError('payload_too_large', `The request body is larger than ${limit} bytes.`);
}
