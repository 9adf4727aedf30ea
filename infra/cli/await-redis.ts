// Waits for a Redis that does not answer yet, with notices for the user.
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { connectRedis, parseRedisUrl } from '../redis/connect.ts';
import { whyUnreachable } from './why-unreachable.ts';

const FIRST_NOTICE_MS = 1_000;
const NEXT_NOTICE_MS = 30_000;

/**
 * Resolves when the server answers or `stop` is aborted. Calls `say` after a second, and then every 30 seconds. Throws
 * `bad_config` for an invalid URL.
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
    if (!waiting.aborted) say(`Waiting for Redis at ${address} (${whyUnreachable(reason)}).`);
  }
  await answered;
  redis.disconnect();
}

async function aborted(stop: AbortSignal): Promise<void> {
  if (!stop.aborted) await once(stop, 'abort');
}

/** The address without user and password. */
function addressOf(url: string): string {
  const { path, host = '', port } = parseRedisUrl(url, 'REDIS_URL');
  return path ?? `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
