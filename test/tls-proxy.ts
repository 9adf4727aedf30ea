// A proxy that ends TLS and strips a path, as nginx does with `proxy_pass http://gateway/`: the gateway sees neither.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cleanup } from './start-redis.ts';

/** Listens on a free port, which it returns; `target` is where the gateway is, `prefix` what it strips. */
export async function startTlsProxy(
  cleanup: Cleanup,
  { prefix, target }: { readonly prefix: string; readonly target: string },
): Promise<number> {
  const server = createServer(selfSigned(), (incoming, outgoing) => {
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

function selfSigned(): { readonly key: Buffer; readonly cert: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), 'cv-cert-'));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const files = ['-keyout', key, '-out', cert, '-subj', '/CN=llm.example', '-days', '2'];
  try {
    execFileSync('openssl', ['req', '-x509', ...curve, ...files], { stdio: 'ignore' });
    return { key: readFileSync(key), cert: readFileSync(cert) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
