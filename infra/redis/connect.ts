// The one place that opens Redis connections. In: a URL, the role of that Redis and what the connection is for. Out: an
// ioredis client that has our scripts. Must not know any key.
import { Redis } from 'ioredis';
import { DomainError } from '../errors/domain-error.ts';
import type { RedisRole } from './redis-role.ts';
import { registerScripts } from './scripts.ts';

export interface ConnectOptions {
  /** `redis://` or `rediss://` with user, password and `/db`; or `unix:///path/to.sock?user=&password=&db=`. */
  readonly url: string;
  readonly role: RedisRole;
  /** Shown by CLIENT LIST, for instance `gateway`; no spaces. */
  readonly name: string;
  /**
   * bounded: a command fails after about two seconds without Redis (requests of clients).
   * forever: a command waits for Redis to return (workers, subscriptions, blocking reads).
   */
  readonly retry: 'bounded' | 'forever';
}

/** Where a URL points, in ioredis' words. */
export interface RedisTarget {
  readonly path?: string;
  readonly host?: string;
  readonly port?: number;
  readonly db: number;
  readonly username?: string;
  readonly password?: string;
  readonly tls?: object;
}

/** The environment variable and config key that a URL of this role comes from. */
const SETTING: Readonly<Record<RedisRole, string>> = { durable: 'REDIS_URL', exchange: 'EXCHANGE_URL' };

const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 1_000;
/** 50 + 100 + 200 + 400 + 800 ms of reconnecting, then a bounded command gives up. */
const BOUNDED_RETRIES = 5;
const BOUNDED_COMMAND_MS = 5_000;

/** Opens one connection; it connects in the background and reconnects indefinitely. Throws `bad_config` for a bad URL. */
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
  // Each failed command rejects; the event only repeats that, and without a listener ioredis prints it.
  redis.on('error', () => {});
  settleOnDisconnect(redis);
  return registerScripts(redis);
}

/**
 * A connection that is given up between two attempts to open it: ioredis would never settle its commands, and
 * with them whoever awaits them to stop. A connection that was never opened it closes properly.
 */
function settleOnDisconnect(redis: Redis): void {
  const disconnect = redis.disconnect.bind(redis);
  redis.disconnect = (reconnect = false) => {
    if (!reconnect && redis.status === 'reconnecting') redis.status = 'wait';
    disconnect(reconnect);
  };
}

/** Turns a URL into ioredis options. Throws `bad_config` naming `setting`, never repeating the URL: it holds a password. */
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
    // WHATWG keeps the brackets of an IPv6 host, a socket address has none.
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
    throw badUrl(setting, 'a URL in which a percent sign is not followed by two hexadecimal digits; write %25 for it');
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
