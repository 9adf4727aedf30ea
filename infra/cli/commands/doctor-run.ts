// `conclave doctor`: one line per requirement. It changes nothing except for a folder that it creates and removes.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { freemem, totalmem } from 'node:os';
import { join } from 'node:path';
import { kernelVariants } from '../../../native/model-session.ts';
import type { Config } from '../../config/config-schema.ts';
import { readConfig } from '../../config/read-config.ts';
import { toDomainError } from '../../errors/domain-error.ts';
import { checkRedisServer } from '../../redis/check-redis-server.ts';
import { connectRedis } from '../../redis/connect.ts';
import { findRedisServer, noRedisServer } from '../../redis/find-redis-server.ts';
import type { RedisRole } from '../../redis/redis-role.ts';
import { askRedis } from '../../redis/script-errors.ts';
import { checkMac, readMacFacts } from '../check-mac.ts';
import type { Finding } from '../finding.ts';
import { formatBytes } from '../format-bytes.ts';
import { whyUnreachable } from '../why-unreachable.ts';

export interface DoctorOptions {
  readonly home?: string;
  readonly config?: string;
  readonly json?: boolean;
}

const OLDEST_NODE = 20;
/** The demo model with gateway and two Redis servers. */
const MIN_FREE_BYTES = 1024 ** 3;

/** Prints the findings; the exit code is 1 if one of them is a failure. */
export async function doctorCommand(options: DoctorOptions): Promise<void> {
  const findings = [
    checkNode(process.versions.node),
    checkCompiler(),
    checkAddon(),
    checkMemory(freemem(), totalmem()),
  ];
  if (process.platform === 'darwin') findings.push(...checkMac(readMacFacts(totalmem())));
  findings.push(...(await checkConfigured(options)));
  const failed = findings.some(({ state }) => state === 'fail');
  const lines = findings.map(({ what, state, detail }) => `${state.padEnd(5)} ${what.padEnd(10)} ${detail}\n`);
  process.stdout.write(options.json ? `${JSON.stringify({ ok: !failed, findings })}\n` : lines.join(''));
  if (failed) process.exitCode = 1;
}

/** `version` in the format of `process.versions.node`. */
export function checkNode(version: string): Finding {
  const recent = Number(version.split('.')[0]) >= OLDEST_NODE;
  const detail = recent ? version : `${version}; install Node ${OLDEST_NODE} or newer`;
  return { what: 'node', state: recent ? 'ok' : 'fail', detail };
}

/** Amounts in bytes. */
export function checkMemory(free: number, total: number): Finding {
  const detail = `${formatBytes(free)} free of ${formatBytes(total)}`;
  if (free >= MIN_FREE_BYTES) return { what: 'memory', state: 'ok', detail };
  return { what: 'memory', state: 'warn', detail: `${detail}; free some: the weights of a model must fit into memory` };
}

function checkCompiler(): Finding {
  for (const compiler of ['c++', 'clang++', 'g++']) {
    const { status, stdout } = spawnSync(compiler, ['--version'], { encoding: 'utf8' });
    if (status === 0) return { what: 'compiler', state: 'ok', detail: stdout.split('\n')[0] ?? compiler };
  }
  const install = process.platform === 'darwin' ? 'xcode-select --install' : 'apt-get install build-essential';
  return { what: 'compiler', state: 'fail', detail: `no C++ compiler found; install one (${install})` };
}

function checkAddon(): Finding {
  try {
    return { what: 'engine', state: 'ok', detail: `kernels for this processor: ${kernelVariants().join(', ')}` };
  } catch (error) {
    return { what: 'engine', state: 'fail', detail: error instanceof Error ? error.message : String(error) };
  }
}

/** Findings that depend on the configuration, which may itself be invalid. */
async function checkConfigured(options: DoctorOptions): Promise<readonly Finding[]> {
  const { home, config: file } = options;
  try {
    const config = readConfig({ ...(home !== undefined && { home }), ...(file !== undefined && { config: file }) });
    const checks = [
      checkHome(config),
      checkPort(config),
      checkRedis(config, 'durable'),
      checkRedis(config, 'exchange'),
    ];
    return await Promise.all(checks);
  } catch (error) {
    return [{ what: 'config', state: 'fail', detail: toDomainError(error).message }];
  }
}

async function checkHome({ home }: Config): Promise<Finding> {
  try {
    mkdirSync(home, { recursive: true, mode: 0o700 });
    rmSync(mkdtempSync(join(home, 'doctor-')), { recursive: true });
    return { what: 'home', state: 'ok', detail: home };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    return {
      what: 'home',
      state: 'fail',
      detail: `cannot write to ${home} (${code}); change its owner or permissions, or choose another folder with --home`,
    };
  }
}

function checkPort({ host, port }: Config): Promise<Finding> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      resolve({
        what: 'port',
        state: 'warn',
        detail: `${host}:${port} is not available (${error.code}); choose another with \`conclave start --port\``,
      });
    });
    server.listen(port, host, () => {
      server.close(() => resolve({ what: 'port', state: 'ok', detail: `${host}:${port} is free` }));
    });
  });
}

/** Checks the configured server, or else that the binary for a private one exists. */
async function checkRedis(config: Config, role: RedisRole): Promise<Finding> {
  const what = role === 'durable' ? 'redis' : 'exchange';
  const url = role === 'durable' ? config.redisUrl : config.exchangeUrl;
  if (url === undefined) return checkRedisBinary(what);
  const redis = connectRedis({ url, role, name: 'doctor', retry: 'bounded' });
  let refused = '';
  redis.on('error', (error: Error) => {
    refused = error.message;
  });
  try {
    const warnings = await askRedis(checkRedisServer(redis, role));
    return {
      what,
      state: warnings.length === 0 ? 'ok' : 'warn',
      detail: warnings.join(' ') || 'answers, settings are suitable',
    };
  } catch (error) {
    const detail = toDomainError(error).message;
    return {
      what,
      state: 'fail',
      detail: refused === '' ? detail : `${detail.replace(/\.$/, '')} (${whyUnreachable(refused)}).`,
    };
  } finally {
    redis.disconnect();
  }
}

function checkRedisBinary(what: string): Finding {
  const path = findRedisServer();
  if (path !== null) return { what, state: 'ok', detail: `private server from ${path}` };
  return { what, state: 'fail', detail: noRedisServer().message };
}
