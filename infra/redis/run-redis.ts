// Starts a private redis-server (or valkey-server) and stops it. In: a folder and a role. Out: its URL and process id.
// Used by `npm start` and by tests. The server exits with this process, even if that is killed. Must not decide when to restart.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { DomainError } from '../errors/domain-error.ts';
import { checkAppendOnlyFiles } from './check-append-only.ts';
import { parseRedisUrl } from './connect.ts';
import { findRedisServer, noRedisServer } from './find-redis-server.ts';
import { type RedisAddress, type RedisConfigOptions, redisConfig, redisUrl } from './redis-config.ts';

export interface RunRedisOptions extends RedisConfigOptions {
  /** `unix`: a socket in `dir`, or a free loopback port where that path is too long. A number: that loopback port; 0 is a free one. */
  readonly listen: 'unix' | number;
  /** Default: a random one. A restart that must keep its URL passes the former one. */
  readonly password?: string;
}

export interface RunningRedis {
  /** With password; for connectRedis and REDIS_URL. */
  readonly url: string;
  readonly pid: number;
  /** Resolves when the process has exited, for any reason. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** SIGTERM (Redis then writes out its append-only file), after ten seconds SIGKILL. */
  stop(): Promise<void>;
  /** SIGKILL, for fault tests. */
  kill(): Promise<void>;
}

const START_MS = 15_000;
const STOP_MS = 10_000;
const LEFTOVER_PROBE_MS = 500;
const PROBE_AGAIN_MS = 20;
/** sun_path of macOS, the shortest of the systems we run on, without its closing zero. */
const MAX_SOCKET_PATH_BYTES = 103;

/**
 * Starts the server and waits until it answers PING. A server that an earlier, killed process left in the same folder
 * is shut down first. Throws `unavailable` with an installation hint, the append-only file that is missing or the last lines of the server's log.
 */
export async function runRedis(options: RunRedisOptions): Promise<RunningRedis> {
  const binary = findRedisServer();
  if (binary === null) throw noRedisServer();
  mkdirSync(options.dir, { recursive: true, mode: 0o700 });
  await stopLeftover(options.dir);
  if (options.role === 'durable') checkAppendOnlyFiles(options.dir);
  const password = options.password ?? randomBytes(24).toString('hex');
  const address = await chooseAddress(options);
  const url = redisUrl(address, password);
  writePrivate(join(options.dir, 'url'), url);
  // In a file, because a command line is visible to every user of the machine.
  writePrivate(join(options.dir, 'redis.conf'), redisConfig(options, address, password));
  // In a process group of its own: Ctrl-C in a terminal goes to a whole group, and the server has to outlive those that need it.
  const child = spawn(binary, ['redis.conf'], { stdio: 'ignore', cwd: options.dir, detached: true });
  killOnExit(child);
  const running = describe(child, url);
  await waitUntilUp(running, options.dir);
  return running;
}

/** Starts a shell that waits on a pipe and stops the server when the pipe closes, which it does even if this process is killed. */
function killOnExit(server: ChildProcess): void {
  if (server.pid === undefined) return;
  const shell = spawn('/bin/sh', ['-c', 'read closed; kill "$0"', String(server.pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  // Where there is no shell, the next start on the same folder stops the server.
  shell.once('error', () => {});
  server.once('exit', () => shell.kill());
}

async function chooseAddress(options: RunRedisOptions): Promise<RedisAddress> {
  const socket = join(options.dir, 'redis.sock');
  if (options.listen === 'unix' && Buffer.byteLength(socket) <= MAX_SOCKET_PATH_BYTES) return { socket };
  return { port: options.listen === 'unix' || options.listen === 0 ? await freePort() : options.listen };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string')
    throw new DomainError(
      'unavailable',
      'No free loopback port was found. Close some connections, or choose a home folder with a shorter path.',
    );
  return address.port;
}

function describe(child: ChildProcess, url: string): RunningRedis {
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    child.once('error', () => resolve({ code: null, signal: null }));
  });
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await exited;
  };
  const stop = async (): Promise<void> => {
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await end('SIGTERM');
    clearTimeout(late);
  };
  return { url, pid: child.pid ?? -1, exited, stop, kill: () => end('SIGKILL') };
}

async function waitUntilUp(running: RunningRedis, dir: string): Promise<void> {
  let waiting = true;
  // disconnect() alone does not end a connection that is about to be tried again.
  const probe = openProbe(running.url, () => (waiting ? PROBE_AGAIN_MS : null));
  const giveUp = new AbortController();
  const late = delay(START_MS, 'late', { signal: giveUp.signal }).catch(() => 'late');
  const first = await Promise.race([probe.ping(), running.exited.then(() => 'exited'), late]);
  giveUp.abort();
  waiting = false;
  probe.disconnect();
  if (first === 'PONG') return;
  await running.kill();
  throw new DomainError('unavailable', `redis-server did not start: ${lastLines(join(dir, 'redis.log'))}`);
}

async function stopLeftover(dir: string): Promise<void> {
  const file = join(dir, 'url');
  if (!existsSync(file)) return;
  const probe = openProbe(readUrl(file), () => null);
  const giveUp = new AbortController();
  const silent = delay(LEFTOVER_PROBE_MS, 'silent', { signal: giveUp.signal }).catch(() => 'silent');
  const answer = await Promise.race([probe.ping().catch(() => 'refused'), silent]);
  giveUp.abort();
  if (answer === 'PONG') await shutDown(probe);
  probe.disconnect();
}

function readUrl(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new DomainError('unavailable', `${file} cannot be read (${code}). Change its permissions, or move it away.`, {
      param: file,
      cause,
    });
  }
}

// SHUTDOWN has no reply: the connection closes when the server has written out its file and goes.
async function shutDown(server: Redis): Promise<void> {
  const closed = once(server, 'close');
  server.shutdown().catch(() => {});
  await closed;
}

function openProbe(url: string, retryStrategy: () => number | null): Redis {
  const probe = new Redis({ ...parseRedisUrl(url, 'url'), retryStrategy, maxRetriesPerRequest: null });
  probe.on('error', () => {});
  return probe;
}

function lastLines(log: string): string {
  return existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').slice(-3).join(' | ') : `it wrote no ${log}`;
}

function writePrivate(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600 });
}
