// TLS in front of a test's Redis, as a managed Redis has it: every connection that arrives encrypted goes on as it is.
import { once } from 'node:events';
import { type AddressInfo, createConnection, type Socket } from 'node:net';
import { createServer } from 'node:tls';
import { parseRedisUrl } from '../infra/redis/connect.ts';
import { selfSignedCertificate } from './self-signed-certificate.ts';
import type { Cleanup } from './start-redis.ts';

export interface TlsRedis {
  /** Its certificate is self-signed. */
  readonly url: string;
  readonly port: number;
  /** Ends all connections; new ones are taken. */
  cut(): void;
}

/** In front of the Redis at `url`, a Unix socket's. */
export async function startTlsRedis(cleanup: Cleanup, url: string): Promise<TlsRedis> {
  const { path = '', password = '' } = parseRedisUrl(url, 'EXCHANGE_URL');
  const sockets = new Set<Socket>();
  const server = createServer(selfSignedCertificate('localhost'), (outside) => {
    const inside = createConnection(path);
    for (const [socket, other] of [
      [outside, inside],
      [inside, outside],
    ] as const) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.pipe(other);
      socket.on('error', () => {}).on('close', () => other.destroy());
    }
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  cleanup.after(async () => {
    server.close();
    cut();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `rediss://:${password}@localhost:${port}`, port, cut };
}
