// A way to the exchange that breaks where a test wants: a relay between a node and Redis that counts the frames which the node
// writes, and cuts all its connections instead of passing on one too many, as the node's death would.
import { randomBytes } from 'node:crypto';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseRedisUrl } from '../infra/redis/connect.ts';

export interface FailingRelay {
  /** For the node instead of the exchange's URL. */
  readonly url: string;
  /** Passes on `frames` more of the node's frames; instead of the next it calls `onDeath` and cuts. */
  failAfter(frames: number, onDeath: () => void): void;
  close(): void;
}

/** What every frame's entry has: the magic of its header, after the length of the header's field. */
const FRAME = Buffer.from('$64\r\nCVLF');

export async function openFailingRelay(exchangeUrl: string): Promise<FailingRelay> {
  const { path = '', password = '' } = parseRedisUrl(exchangeUrl, 'EXCHANGE_URL');
  const sockets = new Set<Socket>();
  let left = Number.POSITIVE_INFINITY;
  let onDeath = (): void => {};
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  const server = createServer((node) => {
    const redis = createConnection(path);
    connectBoth(node, redis);
    for (const socket of [node, redis]) sockets.add(socket);
    node.on('data', (bytes) => {
      if (left < 0) return;
      left -= framesIn(bytes);
      if (left >= 0) redis.write(bytes);
      else {
        onDeath();
        close();
      }
    });
  });
  const relay = join(tmpdir(), `cv-relay-${randomBytes(4).toString('hex')}.sock`);
  await new Promise<void>((resolve) => server.listen(relay, resolve));
  const failAfter = (frames: number, then: () => void): void => {
    left = frames;
    onDeath = then;
  };
  return { url: `unix://${relay}?password=${password}`, failAfter, close };
}

/** What Redis says goes to the node, and neither outlives the other. */
function connectBoth(node: Socket, redis: Socket): void {
  redis.pipe(node);
  node.on('error', () => {}).on('close', () => redis.destroy());
  redis.on('error', () => {}).on('close', () => node.destroy());
}

function framesIn(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(FRAME); at !== -1; at = bytes.indexOf(FRAME, at + 1)) count += 1;
  return count;
}
