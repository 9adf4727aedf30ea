// Requests over bare sockets: old HTTP, malformed HTTP, and what load balancers send. Each is answered, with a request id.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectSocket, type Socket } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { pino } from 'pino';
import { listen } from '../../../gateway/listen.ts';
import { chatBody, createScriptedGateway, type GatewayOptions } from '../../gateway-parts/scripted-gateway.ts';
import { finished, tokens } from '../../gateway-parts/scripted-worker.ts';

async function start(t: TestContext, options: GatewayOptions = {}) {
  const lines: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
  const gateway = await createScriptedGateway({ log, ...options, config: { port: 0, ...options.config } });
  const server = await listen(gateway.app.fetch, gateway.parts.config, log);
  t.after(() => server.shutDown(0, async () => {}));
  const open = (): Socket => {
    const socket = connectSocket(Number(new URL(server.url).port), '127.0.0.1');
    t.after(() => socket.destroy());
    return socket;
  };
  const send = async (bytes: string) => {
    const socket = open();
    socket.write(bytes);
    return parse(await readText(socket));
  };
  return { gateway, lines, open, send };
}

function parse(answer: string) {
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  const [line = '', ...fields] = head.split('\r\n');
  const headers = new Map(
    fields.map((field) => [field.slice(0, field.indexOf(':')).toLowerCase(), field.slice(field.indexOf(':') + 2)]),
  );
  return { status: Number(line.split(' ')[1]), headers, body };
}

test('health checks in HTTP/1.0 without a Host are answered', async (t) => {
  const { send } = await start(t);
  const health = await send('GET /healthz HTTP/1.0\r\n\r\n');
  assert.deepEqual([health.status, health.body], [200, '{"status":"ok"}']);
  const options = await send('OPTIONS / HTTP/1.0\r\n\r\n');
  assert.equal(options.status, 204, 'what HAProxy sends by default');
  assert.match(options.headers.get('allow') ?? '', /GET.*OPTIONS/);
  const star = await send('OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
  assert.deepEqual([star.status, star.headers.get('allow')], [204, options.headers.get('allow')]);
});

test('an HTTP/1.0 client is served like any other', async (t) => {
  const { gateway, send } = await start(t);
  const body = JSON.stringify(chatBody());
  const head = `POST /v1/chat/completions HTTP/1.0\r\nauthorization: Bearer ${gateway.key}`;
  const answer = await send(
    `${head}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  assert.equal(answer.status, 200);
  assert.equal(JSON.parse(answer.body).choices[0].message.content, 'Hello');
});

test('TRACE, which no client library sends, is a method like any other', async (t) => {
  const { send } = await start(t);
  const answer = await send('TRACE /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
  assert.deepEqual([answer.status, answer.headers.get('allow')], [405, 'GET, HEAD, OPTIONS']);
});

interface Malformed {
  readonly title: string;
  readonly bytes: string;
  readonly status: number;
  readonly message: string;
  readonly code?: string;
}

const MALFORMED: readonly Malformed[] = [
  { title: 'what is no HTTP', bytes: 'hello\r\n\r\n', status: 400, message: 'The request is not valid HTTP.' },
  {
    title: 'a TLS hello',
    bytes: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    status: 400,
    message: 'The request is not valid HTTP.',
  },
  {
    title: 'two lengths of one body',
    bytes: 'POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
    status: 400,
    message: 'The request is not valid HTTP.',
  },
  {
    title: 'headers over the size limit',
    bytes: `GET /healthz HTTP/1.1\r\nhost: x\r\nx-big: ${'a'.repeat(4096)}\r\n\r\n`,
    status: 431,
    message: 'The request headers are too large. Send fewer or shorter ones.',
  },
  {
    title: 'a request that stops in its headers',
    bytes: 'GET /healthz HTTP/1.1\r\nhost: x\r\n',
    status: 408,
    message: 'The request did not arrive in time. Send it again.',
  },
  {
    title: 'HTTP/1.1 without a Host',
    bytes: 'GET /healthz HTTP/1.1\r\n\r\n',
    status: 400,
    message: "The request lacks the header 'Host', which HTTP/1.1 requires.",
  },
  {
    title: 'two Host headers',
    bytes: 'GET /healthz HTTP/1.1\r\nhost: x\r\nHost: y\r\n\r\n',
    status: 400,
    message: "The request has more than one header 'Host'.",
  },
  {
    title: 'HTTP/1.0 with two Host headers',
    bytes: 'GET /healthz HTTP/1.0\r\nhost: x\r\nhost: x\r\n\r\n',
    status: 400,
    message: "The request has more than one header 'Host'.",
  },
  {
    title: 'an invalid Host',
    bytes: 'GET /healthz HTTP/1.1\r\nhost: a b\r\n\r\n',
    status: 400,
    message: 'The request is not valid: Invalid URL.',
  },
  {
    title: 'an invalid target',
    bytes: 'GET healthz HTTP/1.1\r\nhost: x\r\n\r\n',
    status: 400,
    message: 'The request is not valid HTTP.',
  },
  {
    title: 'an expectation',
    bytes: 'GET /healthz HTTP/1.1\r\nhost: x\r\nexpect: miracles\r\n\r\n',
    status: 417,
    message: "Unsupported 'Expect' header: send '100-continue', or omit it.",
  },
  {
    title: 'a tunnel',
    bytes: 'CONNECT db:6379 HTTP/1.1\r\nhost: db:6379\r\n\r\n',
    status: 405,
    code: 'method_not_allowed',
    message: 'CONNECT is not supported: this server is not a proxy.',
  },
];

for (const { title, bytes, status, message, code = 'invalid_request' } of MALFORMED) {
  test(`${title}: an error object, a request id, a closed connection and a log line`, async (t) => {
    const { lines, send } = await start(t, { config: { limits: { headerBytes: 2048, requestSeconds: 0.2 } } });
    const answer = await send(bytes);
    const error = { message, type: 'invalid_request_error', param: null, code };
    assert.deepEqual([answer.status, JSON.parse(answer.body)], [status, { error }]);
    assert.equal(answer.headers.get('connection'), 'close');
    assert.equal(answer.headers.get('content-type'), 'application/json');
    const id = answer.headers.get('x-request-id') ?? '';
    assert.match(id, /^req_[0-9a-f]{24}$/);
    assert.ok(lines.some((line) => line.includes(id) && JSON.parse(line).status === status));
  });
}

test('a connection that asks for nothing is closed without an answer or a log line', async (t) => {
  const { lines, open } = await start(t, { config: { limits: { requestSeconds: 0.2 } } });
  assert.equal(await readText(open()), '');
  assert.deepEqual(lines, []);
});

test('nothing is written into an answer that has begun', async (t) => {
  const { gateway, open } = await start(t, { script: () => [tokens('a')] });
  const body = JSON.stringify(chatBody({ stream: true }));
  const socket = open();
  let received = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    received += text;
  });
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${gateway.key}`;
  socket.write(`${head}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  await once(socket, 'data');
  const closed = once(socket, 'close');
  socket.write('hello\r\n\r\n');
  await closed;
  assert.match(received, /^HTTP\/1\.1 200 /);
  assert.doesNotMatch(received, /not valid HTTP/);
  gateway.worker.write(gateway.worker.requests[0]?.id ?? '', tokens('b', { finish: 'stop' }), finished());
});
