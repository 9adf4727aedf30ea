// What only a listening server shows: limits below the app, hanging up, and shutting down without a cut answer.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { request } from 'undici';
import { listen } from '../../../gateway/listen.ts';
import { chatBody, createScriptedGateway, type GatewayOptions } from '../../gateway-parts/scripted-gateway.ts';
import { finished, tokens } from '../../gateway-parts/scripted-worker.ts';

async function start(t: TestContext, options: GatewayOptions = {}) {
  const gateway = await createScriptedGateway({ ...options, config: { port: 0, ...options.config } });
  const server = await listen(gateway.app.fetch, gateway.parts.config, gateway.parts.log);
  t.after(() => server.shutDown(0, async () => {}));
  const ask = (body: object) =>
    request(`${server.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${gateway.key}` },
      body: JSON.stringify(body),
    });
  return { gateway, server, ask };
}

/** Waits for a condition without a fixed sleep; fails after five seconds. */
async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, what);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function sendRaw(url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connectSocket(Number(port), hostname);
  socket.write(bytes);
  return readText(socket);
}

test('headers over the size limit are a 431 in the shape of the API', async (t) => {
  const { server } = await start(t, { config: { limits: { headerBytes: 2048 } } });
  const answer = await sendRaw(server.url, `GET /healthz HTTP/1.1\r\nhost: x\r\nx-big: ${'a'.repeat(4096)}\r\n\r\n`);
  assert.match(answer, /^HTTP\/1\.1 431 /);
  assert.match(answer, /\{"error":\{"message":"The request headers are too large\. Send fewer or shorter ones\."/);
});

test('what is no HTTP is a 400 in the shape of the API', async (t) => {
  const { server } = await start(t);
  assert.match(await sendRaw(server.url, 'hello\r\n\r\n'), /^HTTP\/1\.1 400 [\s\S]*The request is not valid HTTP\./);
});

test('a request that is not sent in time is a 408', async (t) => {
  const { gateway, server } = await start(t, { config: { limits: { requestSeconds: 0.2 } } });
  const head = `POST /v1/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${gateway.key}`;
  const answer = await sendRaw(server.url, `${head}\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{`);
  assert.match(answer, /^HTTP\/1\.1 408 /);
  assert.match(answer, /\{"error":\{"message":"The request did not arrive in time\. Send it again\."/);
});

test('more headers than allowed are refused, not silently dropped', async (t) => {
  const { server } = await start(t, { config: { limits: { headers: 20 } } });
  const many = Array.from({ length: 50 }, (_, at) => `x-${at}: 1\r\n`).join('');
  const answer = await sendRaw(server.url, `GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${many}\r\n`);
  assert.match(answer, /^HTTP\/1\.1 400 [\s\S]*more than 20 headers/);
});

test('a client that hangs up in mid-stream is noticed', async (t) => {
  const { gateway, ask } = await start(t, { script: () => [tokens('a')] });
  const { body } = await ask(chatBody({ stream: true }));
  body.once('data', () => body.destroy());
  body.on('error', () => {});
  await until(() => gateway.worker.left.length === 1, 'the stream was left');
});

test('a client that hangs up while it waits for JSON is noticed', async (t) => {
  const { gateway, server } = await start(t, { script: () => [tokens('a')] });
  const { hostname, port } = new URL(server.url);
  const socket = connectSocket(Number(port), hostname);
  const body = JSON.stringify(chatBody());
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${gateway.key}\r\ncontent-type: application/json`;
  socket.write(`${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  await until(() => gateway.worker.requests.length === 1, 'the request was queued');
  socket.destroy();
  await until(() => gateway.worker.left.length === 1, 'the request was left');
});

test('headers of a stream come with its first event, or alone when that takes longer', async (t) => {
  const { gateway, server } = await start(t, {
    script: ({ maxTokens }) => (maxTokens === 1 ? [tokens('a')] : undefined),
  });
  const firstBytes = async (maxTokens: number) => {
    const body = JSON.stringify(chatBody({ stream: true, max_tokens: maxTokens }));
    const socket = connectSocket(Number(new URL(server.url).port));
    t.after(() => socket.destroy());
    const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${gateway.key}`;
    socket.write(`${head}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    return String((await once(socket, 'data'))[0]);
  };
  assert.match(await firstBytes(1), /^HTTP\/1.1 200 OK\r\n[\s\S]*"content":"a"/);
  assert.match(await firstBytes(2), /^HTTP\/1.1 200 OK\r\n[\s\S]*\r\n\r\n$/);
});

test('shutting down waits for a running stream and lets it finish', async (t) => {
  const { gateway, server, ask } = await start(t, { script: () => [tokens('a')] });
  const { body } = await ask(chatBody({ stream: true }));
  const whole = readText(body);
  const left: string[] = [];
  const down = server.shutDown(5000, async () => void left.push('left'));
  await assert.rejects(request(`${server.url}/healthz`), 'nothing new is accepted');
  gateway.worker.write(gateway.worker.requests[0]?.id ?? '', tokens('b', { finish: 'stop' }), finished());
  assert.match(await whole, /data: \[DONE\]\n\n$/);
  await down;
});

test('a stream that outlives the deadline ends with an error event, not with a cut', async (t) => {
  const { gateway, server, ask } = await start(t, { script: () => [tokens('a')] });
  const { body } = await ask(chatBody({ stream: true }));
  const whole = readText(body);
  await until(() => gateway.worker.requests.length === 1, 'the request was queued');
  await server.shutDown(10, async () => gateway.worker.takeRedisAway());
  assert.match(await whole, /event: error\ndata: \{"error":\{[^\n]*"code":"unavailable"\}\}\n\n$/);
});
