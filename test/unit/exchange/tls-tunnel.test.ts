// The socket by which the native side reaches an exchange behind TLS.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { type AddressInfo, createConnection, createServer } from 'node:net';
import { dirname } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { TlsTunnel } from '../../../workers/exchange/tls-tunnel.ts';
import { selfSignedCertificate } from '../../self-signed-certificate.ts';

// Answers what it is sent, in capitals.
const server = createTlsServer(selfSignedCertificate('localhost'), (socket) => {
  socket.on('data', (bytes) => socket.write(bytes.toString().toUpperCase())).on('error', () => {});
});
server.on('tlsClientError', () => {});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
after(() => server.close());
const { port } = server.address() as AddressInfo;

// Read by every new thread, which trusts the certificate of no authority otherwise.
const trust = (every: boolean): void => {
  if (every) process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
  else delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
};
beforeEach(() => trust(false));

/** What comes back over a new connection that is sent `text`, until it is as long or the other side ends it. */
async function answerTo(path: string, text: string): Promise<string> {
  const socket = createConnection(path);
  socket.write(text);
  let received = '';
  for await (const bytes of socket) {
    received += String(bytes);
    if (received.length >= text.length) break;
  }
  socket.destroy();
  return received;
}

test('what is written to the socket reaches the exchange, and its answers come back', async () => {
  trust(true);
  const tunnel = await TlsTunnel.open('localhost', port);
  const long = 'abcdefg'.repeat(100_000);
  const answers = await Promise.all([answerTo(tunnel.path, 'ping'), answerTo(tunnel.path, long)]);
  assert.deepEqual(answers, ['PING', long.toUpperCase()]);
  await tunnel.close();
});

test('only this user can reach the socket, and it goes with the tunnel', async () => {
  const tunnel = await TlsTunnel.open('localhost', port);
  assert.equal(statSync(dirname(tunnel.path)).mode & 0o777, 0o700);
  await tunnel.close();
  assert.ok(!existsSync(dirname(tunnel.path)));
});

test('a certificate that is not trusted is an error reply that names the server', async () => {
  const tunnel = await TlsTunnel.open('localhost', port);
  const expected = `-ERR TLS to localhost:${port} failed: self-signed certificate\r\n`;
  assert.equal(await answerTo(tunnel.path, 'x'.repeat(expected.length)), expected);
  await tunnel.close();
});

test('so is a server that is not there', async () => {
  const gone = createServer().listen(0, '127.0.0.1');
  await once(gone, 'listening');
  const free = (gone.address() as AddressInfo).port;
  gone.close();
  await once(gone, 'close');
  const tunnel = await TlsTunnel.open('127.0.0.1', free);
  assert.match(await answerTo(tunnel.path, 'x'.repeat(200)), /^-ERR TLS to 127\.0\.0\.1:\d+ failed: .*ECONNREFUSED/);
  await tunnel.close();
});
