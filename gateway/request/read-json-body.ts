// Request body -> JSON value, within limits. In: a Request. Out: unknown, or a DomainError about size, encoding or syntax. Must
// not depend on the fields of an endpoint.
import type { Limits } from '../../infra/config/config-schema.ts';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { decodeUtf8, readBytes } from './read-body.ts';

/** The parsed value, and its bytes for computing a digest. */
export interface JsonBody {
  readonly value: unknown;
  readonly bytes: Uint8Array;
}

/**
 * Reads and parses the body. `anyType`: whatever its content type says.
 * @throws DomainError `payload_too_large`; `unsupported_media_type` for another content type or an unknown encoding;
 * `invalid_request` for bad UTF-8, bad JSON or deep nesting.
 */
export async function readJsonBody(request: Request, limits: Limits, anyType = false): Promise<JsonBody> {
  if (!anyType) refuseOtherTypes(request.headers.get('content-type'));
  const bytes = await readBytes(request, limits.bodyBytes);
  refuseDeepJson(bytes, limits.jsonDepth);
  return { value: parseJson(decodeUtf8(bytes)), bytes };
}

function refuseOtherTypes(contentType: string | null): void {
  const type = contentType?.split(';')[0]?.trim().toLowerCase() ?? '';
  if (type === 'application/json') return;
  const received = type === '' ? 'none' : `'${type.slice(0, 64)}'`;
  const message = `Expected the header 'Content-Type: application/json' but received ${received}.`;
  throw new DomainError('unsupported_media_type', message, { param: 'content-type' });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    // V8's message quotes the body around the fault, so it stays in the log's cause.
    throw new DomainError('invalid_request', 'We could not parse the JSON body of your request.', { cause });
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** `[`, `{` and `]`, `}` differ by bit 5 only. */
const OPEN = 0x5b;
const CLOSE = 0x5d;

/** Counts brackets outside strings before anything is built from them; works on bytes, as UTF-8 never reuses ASCII. */
function refuseDeepJson(bytes: Uint8Array, limit: number): void {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (inString) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if ((byte & 0xdf) === OPEN) depth += 1;
    else if ((byte & 0xdf) === CLOSE) depth -= 1;
    if (depth > limit) throw new DomainError('invalid_request', `The JSON body is nested deeper than ${limit} levels.`);
  }
}
