// Starts a redis-server for a test, with its own temporary folder and Unix socket, both removed afterwards.
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RedisRole } from '../infra/redis/redis-role.ts';
import { type RunningRedis, runRedis } from '../infra/redis/run-redis.ts';

export interface TestRedis {
  readonly url: string;
  /** Current length of the append-only file, for loseAfter. */
  fileLength(): number;
  /** Kills the server and truncates its append-only file, which simulates the loss of the last second in a power failure. */
  loseAfter(fileLength: number): Promise<void>;
  /** Registers a cleanup that runs at the end of the test, before the server stops; in reverse order of registration. */
  defer(close: () => unknown): void;
  /** Sends SIGKILL: writes that have not reached the append-only file are lost. */
  kill(): Promise<void>;
  /** Restarts the server on the same files and URL, after kill or stop. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** The part of a test context used for cleanup; benchmarks pass their own. */
export interface Cleanup {
  after(close: () => Promise<void>): void;
}

/** Starts a server that stops with the test. With `fsync: 'always'`, kill() loses no writes. */
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

/** The file to which the server with data folder `dir` currently appends. */
export function appendOnlyFile(dir: string): string {
  const folder = join(dir, 'appendonlydir');
  const name = readdirSync(folder).find((file) => file.endsWith('.incr.aof'));
  if (name === undefined) throw new Error(`no append-only file in ${folder}`);
  return join(folder, name);
}
