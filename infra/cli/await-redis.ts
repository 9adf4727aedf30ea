// A Redis that does not answer yet: says what is waited for, and waits.
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { connectRedis, parseRedisUrl } from '../redis/connect.ts';

const FIRST_NOTICE_MS = 1_000;
const NEXT_NOTICE_MS = 30_000;

/**
 * Resolves when the server answers or `stop` is aborted; says after a second, and again every half minute, what it waits for.
 * Throws `bad_config` for a URL that is none.
 */
export async function awaitRedis(url: string, say: (line: string) => void, stop: AbortSignal): Promise<void> {
  const address = addressOf(url);
  const redis = connectRedis({ url, role: 'durable', name: 'join', retry: 'forever' });
  let reason = 'no answer';
  redis.on('error', (error: Error) => {
    reason = error.message || reason;
  });
  const over = new AbortController();
  const waiting = AbortSignal.any([stop, over.signal]);
  const answered = Promise.race([redis.ping().catch(() => {}), aborted(stop)]).finally(() => over.abort());
  for (let noticeMs = FIRST_NOTICE_MS; !waiting.aborted; noticeMs = NEXT_NOTICE_MS) {
    await delay(noticeMs, undefined, { signal: waiting }).catch(() => {});
    if (!waiting.aborted) say(`Waiting for Redis at ${address} (${reason}).`);
  }
  await answered;
  redis.disconnect();
}

async function aborted(stop: AbortSignal): Promise<void> {
  if (!stop.aborted) await once(stop, 'abort');
}

/** Without user and password. */
function addressOf(url: string): string {
  const { path, host = '', port } = parseRedisUrl(url, 'REDIS_URL');
  return path ?? `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
