// Decodes a compressed request body as a stream. In: the content-encoding header and the received bytes. Out: decoded chunks,
// produced on demand, so that a reader which stops at its limit causes no further inflation.
import { pipeline, Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { DomainError } from '../../infra/errors/domain-error.ts';

const DECODERS = {
  gzip: () => createGunzip(),
  // RFC 9110 section 8.4.1.3: the old name of gzip.
  'x-gzip': () => createGunzip(),
  deflate: () => createInflate(),
  br: () => createBrotliDecompress(),
} as const;

const OFFERED = 'gzip, deflate and br';

export type ContentEncoding = keyof typeof DECODERS;

/** Null for an unencoded body. @throws DomainError `unsupported_media_type` for an unknown encoding, or several. */
export function readContentEncoding(header: string | null): ContentEncoding | null {
  const name = header?.trim().toLowerCase() ?? '';
  if (name === '' || name === 'identity') return null;
  if (isSupported(name)) return name;
  const message = `Unsupported content-encoding '${name.slice(0, 64)}': expected one of ${OFFERED}, or none.`;
  throw new DomainError('unsupported_media_type', message, { param: 'content-encoding' });
}

function isSupported(name: string): name is ContentEncoding {
  return Object.hasOwn(DECODERS, name);
}

/** Decoded chunks. @throws DomainError `invalid_request` for bytes of another format, and the errors of `encoded`. */
export async function* decodeBody(
  encoded: AsyncIterable<Uint8Array>,
  encoding: ContentEncoding,
): AsyncGenerator<Uint8Array> {
  const decoder = DECODERS[encoding]();
  // A failure reaches the loop below, as an error of the decoder.
  pipeline(Readable.from(encoded), decoder, () => {});
  try {
    yield* decoder as AsyncIterable<Uint8Array>;
  } catch (cause) {
    if (cause instanceof DomainError) throw cause;
    throw new DomainError('invalid_request', `The request body is not valid ${encoding}.`, { cause });
  }
}
