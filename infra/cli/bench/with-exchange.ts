// The exchange Redis of a bench: one that the caller names, or one of its own for as long as it lasts.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runRedis } from '../../redis/run-redis.ts';

export async function withExchange<T>(named: string | undefined, use: (url: string) => Promise<T>): Promise<T> {
  if (named !== undefined) return use(named);
  const dir = mkdtempSync(join(tmpdir(), 'conclave-exchange-'));
  const redis = await runRedis({ role: 'exchange', dir, listen: 'unix' });
  try {
    return await use(redis.url);
  } finally {
    await redis.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}
