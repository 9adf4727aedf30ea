// One redis-server for a test: own temp folder, Unix socket, gone afterwards.
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RedisRole } from '../infra/redis/redis-role.ts';
import { type RunningRedis, runRedis } from '../infra/redis/run-redis.ts';

export interface TestRedis {
  readonly url: string;
  /** Length of the append-only file now, for loseAfter. */
  fileLength(): number;
  /** Kills the server and cuts its file off there: what a power loss does to the last second. */
  loseAfter(fileLength: number): Promise<void>;
  /** Runs at the end of the test while the server still lives; the last one deferred runs first. */
  defer(close: () => unknown): void;
  /** SIGKILL: what was not yet in the append-only file is lost. */
  kill(): Promise<void>;
  /** Starts the server again on the same files and URL (after kill or stop). */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** What is needed of a test context; the benches pass their own. */
export interface Cleanup {
  after(close: () => Promise<void>): void;
}

/** Starts a server that ends with the test. `fsync: 'always'` makes kill() lose nothing. */
export async function startRedis(
  test: Cleanup,
  role: RedisRole = 'durable',
  fsync: 'everysec' | 'always' = 'everysec',
): Promise<TestRedis> {
  const dir = mkdtempSync(join(tmpdir(), 'cv-redis-'));
  const options = { role, dir, listen: 'unix', password: 'secret', fsync } as const;
  let server: RunningRedis = await runRedis(options);
  const closing: (() => unknown)[] = [];
  test.after(async () => {
    for (const close of closing.reverse()) await close();
    await server.kill();
    rmSync(dir, { recursive: true, force: true });
  });
  return {
    url: server.url,
    fileLength: () => statSync(appendOnlyFile(dir)).size,
    loseAfter: async (fileLength) => {
      await server.kill();
      truncateSync(appendOnlyFile(dir), fileLength);
    },
    defer: (close) => void closing.push(close),
    kill: () => server.kill(),
    stop: () => server.stop(),
    start: async () => {
      server = await runRedis(options);
    },
  };
}

/** The file that the server whose data is in `dir` appends to now. */
export function appendOnlyFile(dir: string): string {
  const folder = join(dir, 'appendonlydir');
  const name = readdirSync(folder).find((file) => file.endsWith('.incr.aof'));
  if (name === undefined) throw new Error(`no append-only file in ${folder}`);
  return join(folder, name);
}
