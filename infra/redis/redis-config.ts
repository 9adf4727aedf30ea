// The text of redis.conf for a server that we start ourselves. Pure.
import type { RedisRole } from './redis-role.ts';

/** Where the server listens: a Unix socket, or a loopback port. */
export type RedisAddress = { readonly socket: string } | { readonly port: number };

export interface RedisConfigOptions {
  readonly role: RedisRole;
  /** Absolute folder of append-only file and log. */
  readonly dir: string;
  /** Bytes; 0 has no limit. Default: 0 for durable, 1 GiB for exchange. */
  readonly maxMemoryBytes?: number;
  /** appendfsync of the durable role; default everysec. */
  readonly fsync?: 'everysec' | 'always';
}

const EXCHANGE_MEMORY_BYTES = 2 ** 30;

/** redis.conf: durable keeps an append-only file, exchange keeps nothing; both refuse writes rather than evict. */
export function redisConfig(options: RedisConfigOptions, address: RedisAddress, password: string): string {
  const durable = options.role === 'durable';
  const lines = [
    ...listenLines(address),
    'bind 127.0.0.1',
    `requirepass ${password}`,
    `dir ${JSON.stringify(options.dir)}`,
    'logfile redis.log',
    'save ""',
    `appendonly ${durable ? 'yes' : 'no'}`,
    `appendfsync ${options.fsync ?? 'everysec'}`,
    // Rewriting the file takes a core and the disk for a second or two, in which requests are queued more slowly; ten thousand
    // of them that wait are about 100 MB of it.
    'auto-aof-rewrite-min-size 256mb',
    `maxmemory ${options.maxMemoryBytes ?? (durable ? 0 : EXCHANGE_MEMORY_BYTES)}`,
    'maxmemory-policy noeviction',
    // Our gateway drops single streams that cannot keep up; at the default of 32 MB Redis would cut all of its streams.
    'client-output-buffer-limit pubsub 256mb 128mb 60',
  ];
  return `${lines.join('\n')}\n`;
}

/** The URL that connectRedis understands. */
export function redisUrl(address: RedisAddress, password: string): string {
  return 'socket' in address
    ? `unix://${address.socket.split('/').map(encodeURIComponent).join('/')}?password=${password}`
    : `redis://:${password}@127.0.0.1:${address.port}`;
}

function listenLines(address: RedisAddress): readonly string[] {
  if ('port' in address) return [`port ${address.port}`];
  return ['port 0', `unixsocket ${JSON.stringify(address.socket)}`, 'unixsocketperm 700'];
}
