// Compressed request bodies: decoded within the limit on what they become, and refused by name when the encoding is unknown.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { readBytes } from '../../../gateway/request/read-body.ts';
import { chatBody, createScriptedGateway } from '../../gateway-parts/scripted-gateway.ts';

const CHAT = '/v1/chat/completions';
const ENCODINGS = { gzip: gzipSync, 'x-gzip': gzipSync, deflate: deflateSync, br: brotliCompressSync } as const;
const BODY = Buffer.from(JSON.stringify(chatBody()));

type ErrorShape = { error: { message: string; code: string; param: string | null } };

async function refused(response: Response, status: number, code: string): Promise<string> {
  const { error } = (await response.json()) as ErrorShape;
  assert.deepEqual([response.status, error.code], [status, code]);
  return error.message;
}

for (const [encoding, compress] of Object.entries(ENCODINGS)) {
  test(`${encoding}: a body is decoded, and its limit holds for what it becomes`, async () => {
    const gateway = await createScriptedGateway({ config: { limits: { bodyBytes: 4096 } } });
    const send = (body: Uint8Array, headers: Record<string, string> = {}) =>
      gateway.post(CHAT, body, { 'content-encoding': encoding, 'content-length': String(body.length), ...headers });
    const answer = await send(compress(BODY));
    assert.equal(answer.status, 200, await answer.text());
    const bomb = compress(Buffer.alloc(1_000_000, ' '));
    assert.ok(bomb.length < 4096);
    assert.match(await refused(await send(bomb), 413, 'payload_too_large'), /larger than 4096 bytes/);
    const truncated = compress(BODY).subarray(0, -4);
    for (const body of [truncated, BODY]) {
      const message = await refused(await send(body), 400, 'invalid_request');
      assert.equal(message, `The request body is not valid ${encoding}.`);
    }
  });
}

test('a bomb is inflated no further than the limit', async () => {
  let pulled = 0;
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
  const pieces = Math.ceil(bomb.length / 1024);
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      controller.enqueue(bomb.subarray(pulled * 1024, (pulled + 1) * 1024));
      pulled += 1;
      if (pulled === pieces) controller.close();
    },
  });
  const headers = { 'content-encoding': 'gzip' };
  const request = new Request('http://x/', { method: 'POST', body, headers, duplex: 'half' } as RequestInit);
  await assert.rejects(readBytes(request, 100_000), { code: 'payload_too_large' });
  assert.ok(pulled < pieces, `${pulled} of ${pieces} pieces were read`);
});

test('the same body under one Idempotency-Key is the same, compressed or not', async () => {
  const gateway = await createScriptedGateway();
  const key = { 'idempotency-key': 'once' };
  assert.equal((await gateway.post(CHAT, BODY, key)).status, 200);
  const again = await gateway.post(CHAT, gzipSync(BODY), { ...key, 'content-encoding': 'gzip' });
  assert.deepEqual([again.status, again.headers.get('conclave-repeated')], [200, 'true']);
});

test('an unknown encoding is a 415 that names the known ones', async () => {
  const gateway = await createScriptedGateway();
  for (const encoding of ['zstd', 'gzip, gzip', 'compress', '__proto__']) {
    const response = await gateway.post(CHAT, BODY, { 'content-encoding': encoding });
    assert.equal(
      await refused(response, 415, 'unsupported_media_type'),
      `Unsupported content-encoding '${encoding}': expected one of gzip, deflate and br, or none.`,
    );
  }
  assert.equal((await gateway.post(CHAT, BODY, { 'content-encoding': 'identity' })).status, 200);
});

test('a compressed body of an unauthenticated caller is not decoded', async () => {
  const gateway = await createScriptedGateway();
  const body = new ReadableStream({ pull: () => assert.fail('the body was read') }, { highWaterMark: 0 });
  const headers = {
    'content-type': 'application/json',
    'content-encoding': 'gzip',
    'content-length': '100',
    authorization: 'Bearer cvk_unknown',
  };
  const response = await gateway.app.request(CHAT, { method: 'POST', body, headers, duplex: 'half' } as RequestInit);
  assert.equal(response.status, 401);
});
