// The only module that opens Redis connections. In: a URL, the role of that Redis and a connection name. Out: an ioredis
// client with our scripts registered. Must not use any key.
import { Redis } from 'ioredis';
import { DomainError } from '../errors/domain-error.ts';
import type { RedisRole } from './redis-role.ts';
import { registerScripts } from './scripts.ts';

export interface ConnectOptions {
  /** `redis://` or `rediss://` with user, password and `/db`; or `unix:///path/to.sock?user=&password=&db=`. */
  readonly url: string;
  readonly role: RedisRole;
  /** Connection name for CLIENT LIST, such as `gateway`; no spaces. */
  readonly name: string;
  /**
   * bounded: a command fails after about two seconds without Redis (client requests).
   * forever: a command waits until Redis is reachable (workers, subscriptions, blocking reads).
   */
  readonly retry: 'bounded' | 'forever';
}

/** The parts of a Redis URL, as ioredis options. */
export interface RedisTarget {
  readonly path?: string;
  readonly host?: string;
  readonly port?: number;
  readonly db: number;
  readonly username?: string;
  readonly password?: string;
  readonly tls?: object;
}

/** The environment variable that sets the URL of each role. */
const SETTING: Readonly<Record<RedisRole, string>> = { durable: 'REDIS_URL', exchange: 'EXCHANGE_URL' };

const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 1_000;
/** A bounded command fails after 50 + 100 + 200 + 400 + 800 ms of reconnecting. */
const BOUNDED_RETRIES = 5;
const BOUNDED_COMMAND_MS = 5_000;

/** Opens a connection in the background; it reconnects indefinitely. Throws `bad_config` for an invalid URL. */
export function connectRedis(options: ConnectOptions): Redis {
  const redis = new Redis({
    ...parseRedisUrl(options.url, SETTING[options.role]),
    connectionName: `conclave:${options.name}`,
    connectTimeout: 3_000,
    keepAlive: 10_000,
    retryStrategy: (attempt) => Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** (attempt - 1)),
    ...(options.retry === 'forever'
      ? { maxRetriesPerRequest: null }
      : { maxRetriesPerRequest: BOUNDED_RETRIES, commandTimeout: BOUNDED_COMMAND_MS }),
  });
  // Failed commands reject on their own; without a listener ioredis would also print the error event.
  redis.on('error', () => {});
  settleOnDisconnect(redis);
  return registerScripts(redis);
}

/**
 * ioredis never settles queued commands when a client is disconnected between two reconnection attempts, which would hang
 * any caller that awaits them during shutdown. It does settle them in status `wait`, so the status is set to that first.
 */
function settleOnDisconnect(redis: Redis): void {
  const disconnect = redis.disconnect.bind(redis);
  redis.disconnect = (reconnect = false) => {
    if (!reconnect && redis.status === 'reconnecting') redis.status = 'wait';
    disconnect(reconnect);
  };
}

/** Parses a URL into ioredis options. Throws `bad_config` naming `setting`, never the URL, which may contain a password. */
export function parseRedisUrl(url: string, setting: string): RedisTarget {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  const scheme = parsed?.protocol;
  if (parsed === null || (scheme !== 'redis:' && scheme !== 'rediss:' && scheme !== 'unix:')) {
    throw badUrl(setting, scheme === undefined ? 'something that is not a URL' : `a "${scheme}" URL`);
  }
  return scheme === 'unix:' ? socketOptions(parsed, setting) : networkOptions(parsed, setting);
}

function socketOptions(url: URL, setting: string): RedisTarget {
  if (url.host !== '' || url.pathname.length < 2) throw badUrl(setting, 'a unix:// URL without an absolute path');
  return {
    path: decoded(url.pathname, setting),
    db: databaseNumber(url.searchParams.get('db') ?? '', setting),
    ...credentials(url.searchParams.get('user') ?? '', url.searchParams.get('password') ?? ''),
  };
}

function networkOptions(url: URL, setting: string): RedisTarget {
  return {
    // The WHATWG URL parser keeps the brackets of an IPv6 host; a socket address has none.
    host: url.hostname.replace(/^\[|\]$/g, '') || '127.0.0.1',
    port: url.port === '' ? 6379 : Number(url.port),
    db: databaseNumber(url.pathname.slice(1), setting),
    ...credentials(decoded(url.username, setting), decoded(url.password, setting)),
    ...(url.protocol === 'rediss:' ? { tls: {} } : {}),
  };
}

function decoded(text: string, setting: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw badUrl(setting, 'a URL with a percent sign that is not followed by two hexadecimal digits (write it as %25)');
  }
}

function credentials(username: string, password: string): Pick<RedisTarget, 'username' | 'password'> {
  return { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) };
}

function databaseNumber(text: string, setting: string): number {
  if (!/^\d{0,4}$/.test(text)) throw badUrl(setting, `the database "${text}", which is not a number`);
  return Number(text);
}

function badUrl(setting: string, received: string): DomainError {
  return new DomainError(
    'bad_config',
    `Expected redis://, rediss:// or unix:// for ${setting} but received ${received}.`,
    {
      param: setting,
    },
  );
}
