// Chunks of a file -> its lines. Memory: a chunk and a line.
import { DomainError } from '../../infra/errors/domain-error.ts';

const LINE_END = 0x0a;

/** Lines without their ends; empty ones are left out. @throws DomainError `payload_too_large` for a longer line than `limit` bytes. */
export async function* readLines(chunks: AsyncIterable<Uint8Array>, limit: number): AsyncGenerator<string> {
  let rest = Buffer.alloc(0);
  for await (const chunk of chunks) {
    rest = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = rest.indexOf(LINE_END, start); end >= 0; end = rest.indexOf(LINE_END, start)) {
      const line = rest.toString('utf8', start, end).trim();
      start = end + 1;
      if (line !== '') yield line;
    }
    rest = rest.subarray(start);
    if (rest.length > limit) throw new DomainError('payload_too_large', `A line is longer than ${limit} bytes.`);
  }
  const last = rest.toString('utf8').trim();
  if (last !== '') yield last;
}
