// Multipart bodies: parts are read as they were sent, wherever the body was cut into chunks, and what is not multipart is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readBoundary, readMultipart } from '../../../gateway/files/read-multipart.ts';

interface Part {
  readonly name: string;
  readonly filename: string | null;
  readonly bytes: Buffer;
}

async function* cut(body: Buffer, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (let index = 0; at < body.length; index += 1) {
    const size = sizes[index % sizes.length] ?? 1;
    yield body.subarray(at, at + size);
    at += size;
  }
}

async function read(chunks: AsyncIterable<Uint8Array>, boundary: string): Promise<Part[]> {
  const parts: Part[] = [];
  for await (const { name, filename, body } of readMultipart(chunks, boundary)) {
    const bytes: Uint8Array[] = [];
    for await (const chunk of body) bytes.push(chunk);
    parts.push({ name, filename, bytes: Buffer.concat(bytes) });
  }
  return parts;
}

/** Bytes that look like the delimiter more often than chance. */
const bytes = fc
  .array(fc.oneof(fc.constantFrom('\r\n--', '\r\n', '--', 'b', '-'), fc.string({ maxLength: 3 })), { maxLength: 30 })
  .map((pieces) => Buffer.from(pieces.join('')));
const part = fc.record({ name: fc.constantFrom('file', 'purpose', 'x'), bytes });

test('gives what the platform has written, wherever it is cut', async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });
  const property = fc.asyncProperty(fc.array(part, { maxLength: 3 }), sizes, async (fields, cuts) => {
    const form = new FormData();
    for (const { name, bytes: content } of fields)
      form.append(name, new Blob([new Uint8Array(content)]), `${name}.txt`);
    const response = new Response(form);
    const boundary = readBoundary(response.headers.get('content-type') ?? '');
    const body = Buffer.from(await response.arrayBuffer());
    const expected = fields.map(({ name, bytes: content }) => ({ name, filename: `${name}.txt`, bytes: content }));
    assert.deepEqual(await read(cut(body, cuts), boundary), expected);
  });
  await fc.assert(property, { seed: 20_261_129, numRuns: 200 });
});

test('refuses what is not multipart', async () => {
  for (const type of [undefined, 'application/json', 'multipart/form-data', 'multipart/mixed; boundary=b']) {
    assert.throws(() => readBoundary(type), { code: 'unsupported_media_type' });
  }
  const bodies = [
    '',
    'x',
    '--b',
    '--b\r\n',
    '--b\r\n\r\n\r\n--b--',
    '--b\r\ncontent-disposition: form-data; name="a"\r\n\r\nx',
    `--b\r\n${'x'.repeat(9000)}`,
  ];
  for (const body of bodies) {
    await assert.rejects(read(cut(Buffer.from(body), [7]), 'b'), { code: 'invalid_request' }, body.slice(0, 60));
  }
});
