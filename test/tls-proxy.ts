// A proxy that ends TLS and strips a path, as nginx does with `proxy_pass http://gateway/`: the gateway sees neither.
import { once } from 'node:events';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { selfSignedCertificate } from './self-signed-certificate.ts';
import type { Cleanup } from './start-redis.ts';

/** Listens on a free port, which it returns; `target` is where the gateway is, `prefix` what it strips. */
export async function startTlsProxy(
  cleanup: Cleanup,
  { prefix, target }: { readonly prefix: string; readonly target: string },
): Promise<number> {
  const server = createServer(selfSignedCertificate('llm.example'), (incoming, outgoing) => {
    const { url = '/' } = incoming;
    if (url.startsWith(`${prefix}/`)) forward(target + url.slice(prefix.length), incoming, outgoing);
    else outgoing.writeHead(404, { 'content-type': 'text/plain' }).end('another application');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanup.after(async () => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

function forward(url: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const { host: _, connection: __, ...headers } = incoming.headers;
  const onward = request(url, { method: incoming.method ?? 'GET', headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing);
  });
  onward.on('error', () => outgoing.destroy());
  outgoing.on('close', () => onward.destroy());
  incoming.pipe(onward);
}
