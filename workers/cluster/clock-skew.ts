// Compares this node's clock with that of Redis. Leases, deadlines and epochs use the time of Redis or monotonic clocks, so a
// wrong clock breaks nothing, but it falsifies times in logs and measured waits.
import type { Redis } from 'ioredis';
import { askRedis } from '../../infra/redis/script-errors.ts';

const TOLERATED_MS = 2_000;

/** How far this host's clock is ahead of Redis', in ms; half a round trip uncertain. */
export async function measureClockSkew(redis: Redis, now: () => number = Date.now): Promise<number> {
  const askedAtMs = now();
  const [seconds, microseconds] = await askRedis(redis.time());
  const answeredAtMs = now();
  return (askedAtMs + answeredAtMs) / 2 - (Number(seconds) * 1000 + Number(microseconds) / 1000);
}

/** A sentence for operators; null when the clocks agree well enough. */
export function describeClockSkew(nodeId: string, skewMs: number): string | null {
  if (Math.abs(skewMs) <= TOLERATED_MS) return null;
  const seconds = (Math.abs(skewMs) / 1000).toFixed(1);
  return (
    `The clock of node ${nodeId} is ${seconds} s ${skewMs > 0 ? 'ahead of' : 'behind'} that of Redis: times in its log and queue waits ` +
    'are wrong by that amount. Answers are not affected. Synchronise the clocks (NTP).'
  );
}
