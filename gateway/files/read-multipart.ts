// A multipart/form-data body (RFC 7578) -> its parts, one after the other, as they arrive. A part's body must be read before the
// next part is asked for. Holds no more than a chunk and a delimiter.
import { DomainError } from '../../infra/errors/domain-error.ts';

export interface FormPart {
  readonly name: string;
  /** Null for a field that is no file. */
  readonly filename: string | null;
  readonly body: AsyncIterable<Uint8Array>;
}

/** Headers of a part. */
const MOST_HEADER_BYTES = 4096;

/** The boundary of a content type. @throws DomainError `unsupported_media_type` for any other than multipart/form-data. */
export function readBoundary(contentType: string | undefined): string {
  const match = /^multipart\/form-data\s*;.*?\bboundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType ?? '');
  const boundary = match?.[1] ?? match?.[2];
  if (boundary !== undefined) return boundary;
  const message = "Expected the header 'Content-Type: multipart/form-data' with a boundary.";
  throw new DomainError('unsupported_media_type', message, { param: 'content-type' });
}

/** @throws DomainError `invalid_request` for a body that is not of this form. */
export async function* readMultipart(chunks: AsyncIterable<Uint8Array>, boundary: string): AsyncGenerator<FormPart> {
  const input = new Input(chunks);
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  for await (const _ of input.until(delimiter, true));
  for (;;) {
    const tail = await input.take(2);
    if (tail === '--') return;
    if (tail !== '\r\n') throw malformed();
    const headers = await input.text(Buffer.from('\r\n\r\n'), MOST_HEADER_BYTES);
    yield { ...readDisposition(headers), body: input.until(delimiter, false) };
  }
}

function readDisposition(headers: string): Pick<FormPart, 'name' | 'filename'> {
  const line = /^content-disposition:\s*form-data\b(.*)$/im.exec(headers)?.[1] ?? '';
  const parameter = (name: string) => new RegExp(`;\\s*${name}="((?:[^"\\\\]|\\\\.)*)"`, 'i').exec(line)?.[1] ?? null;
  const name = parameter('name');
  if (name === null) throw malformed();
  return { name, filename: parameter('filename') };
}

function malformed(): DomainError {
  return new DomainError('invalid_request', 'The request body is not valid multipart/form-data.');
}

/** Bytes that have arrived and are still to be given out. */
class Input {
  readonly #chunks: AsyncIterator<Uint8Array>;
  // The first delimiter stands at the very start, without a line end before it.
  #rest = Buffer.from('\r\n');

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** What comes before the delimiter, which is consumed. `empty`: nothing may. */
  async *until(delimiter: Buffer, empty: boolean): AsyncGenerator<Uint8Array> {
    for (;;) {
      const at = this.#rest.indexOf(delimiter);
      const safe = at >= 0 ? at : Math.max(0, this.#rest.length - delimiter.length + 1);
      if (safe > 0) {
        if (empty) throw malformed();
        yield this.#rest.subarray(0, safe);
        this.#rest = this.#rest.subarray(safe);
      }
      if (at >= 0) break;
      await this.#more();
    }
    this.#rest = this.#rest.subarray(delimiter.length);
  }

  async take(count: number): Promise<string> {
    while (this.#rest.length < count) await this.#more();
    const text = this.#rest.toString('latin1', 0, count);
    this.#rest = this.#rest.subarray(count);
    return text;
  }

  async text(end: Buffer, limit: number): Promise<string> {
    for (;;) {
      const at = this.#rest.indexOf(end);
      if (at >= 0) {
        const text = this.#rest.toString('utf8', 0, at);
        this.#rest = this.#rest.subarray(at + end.length);
        return text;
      }
      if (this.#rest.length > limit) throw malformed();
      await this.#more();
    }
  }

  async #more(): Promise<void> {
    const { value, done } = await this.#chunks.next();
    if (done === true) throw malformed();
    this.#rest = Buffer.concat([this.#rest, value]);
  }
}
