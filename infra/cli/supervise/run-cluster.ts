// What `npm start` runs: two private Redis servers, a gateway and workers, each started again when it dies.
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { basename, join, resolve } from 'node:path';
import type { Redis } from 'ioredis';
import { familyOf } from '../../../workers/model/families/model-families.ts';
import { CONFIG_FILE, readModelConfig } from '../../../workers/model/read-model-config.ts';
import { refuseDenseGroup } from '../../../workers/model/refuse-dense-group.ts';
import type { Config } from '../../config/config-schema.ts';
import { listenUrl } from '../../config/listen-url.ts';
import { pepperPath } from '../../config/read-config.ts';
import { DomainError } from '../../errors/domain-error.ts';
import { DEMO_MODEL } from '../../package-facts.ts';
import { connectRedis } from '../../redis/connect.ts';
import { createKeyStore } from '../../tenants/key-store.ts';
import { readPepper } from '../../tenants/read-pepper.ts';
import { createTenantStore } from '../../tenants/tenant-store.ts';
import { claimHome } from './claim-home.ts';
import { ClusterProcesses } from './cluster-processes.ts';
import { ensureRedisServer } from './ensure-redis-server.ts';
import { type OperatorKeys, operatorKeys } from './operator-keys.ts';
import { prepareHome } from './prepare-home.ts';
import { type RedisEvents, SupervisedRedis } from './supervised-redis.ts';

/** `<home>/ready.json`. */
export interface ReadyFile extends OperatorKeys {
  readonly url: string;
  readonly model: string;
  readonly nodes: number;
  readonly pids: Readonly<Record<string, number>>;
}

export interface RunningCluster {
  readonly ready: ReadyFile;
  /** Lets running answers finish within the configured time, then stops everything; leaves the rest resumable. */
  stop(): Promise<void>;
}

export interface ClusterOptions {
  readonly config: Config;
  /** The configuration file the processes read too, or undefined. */
  readonly configFile: string | undefined;
  readonly say: (line: string) => void;
  /** Aborted: stop starting. */
  readonly interrupted?: AbortSignal;
}

/** Time beyond draining that a process has to end. */
const STOP_MS = 5_000;
/** The same after a start that failed: nothing is lost by a worker that is killed while it loads a model. */
const ABANDON_MS = 2_000;

/** Nodes beside the one that computes a dense model would wait for experts indefinitely. */
async function refuseDenseCluster(folder: string, nodes: number): Promise<void> {
  if (nodes === 1 || !existsSync(join(folder, CONFIG_FILE))) return;
  const config = await readModelConfig(folder);
  refuseDenseGroup(familyOf(config).outline(config), nodes);
}

/**
 * Starts everything and waits until it is ready. Throws DomainError naming what did not start, or `cancelled` when it
 * was interrupted; then nothing is left running.
 */
export async function runCluster(options: ClusterOptions): Promise<RunningCluster> {
  const { config, say } = options;
  const folder = resolve(config.model ?? DEMO_MODEL);
  const model = nameOf(config, folder);
  await refuseDenseCluster(folder, config.nodes);
  prepareHome(config.home);
  const readyPath = join(config.home, 'ready.json');
  const giveHomeBack = claimHome(config.home);
  rmSync(readyPath, { force: true });
  let announce = (): void => {};
  const events = { onEnd: say, onRestart: () => announce() };
  const redis = await startRedis(config, say, events).catch((thrown: unknown) => {
    giveHomeBack();
    throw thrown;
  });
  const port = config.port === 0 ? await freePort(config.host) : config.port;
  const { durable, exchange } = redis;
  const { configFile, interrupted = new AbortController().signal } = options;
  let processes: ClusterProcesses | undefined;
  const processOptions = { config, configFile, events, durable, exchange, folder, model, port };
  const stop = async (graceMs = config.drainSeconds * 1000 + STOP_MS) => {
    announce = () => {};
    rmSync(readyPath, { force: true });
    await processes?.stop(graceMs);
    await Promise.all(redis.servers.map((server) => server.stop()));
    giveHomeBack();
  };
  try {
    const started = new ClusterProcesses(processOptions);
    processes = started;
    const url = listenUrl(config.host, port);
    const keys = await withRedis(durable, async (connection) => {
      const ready = started.ready(url, connection, say, interrupted);
      return (await Promise.all([makeKeys(config, connection, say), ready]))[0];
    });
    const describe = (): ReadyFile => {
      const pids = { ...started.pids(), ...redis.pids() };
      return { url, ...keys, model, nodes: config.nodes, pids };
    };
    announce = () => writeReadyFile(readyPath, describe());
    announce();
    return { ready: describe(), stop: () => stop() };
  } catch (thrown) {
    await stop(ABANDON_MS);
    throw thrown;
  }
}

/** Throws `bad_config` for a folder without a name, which only `/` is. */
function nameOf({ servedModelName }: Config, folder: string): string {
  const name = servedModelName ?? basename(folder);
  if (name !== '') return name;
  throw new DomainError(
    'bad_config',
    `${folder} has no name that the model could be served under. Give one with --served-model-name.`,
  );
}

/** Writes atomically, by rename, so that a reader never sees half of the file. */
function writeReadyFile(path: string, ready: ReadyFile): void {
  writeFileSync(`${path}.new`, JSON.stringify(ready, null, 2), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

interface PrivateRedis {
  readonly durable: string;
  readonly exchange: string;
  readonly servers: readonly SupervisedRedis[];
  pids(): Record<string, number>;
}

/** Servers named in the configuration are used as they are; the others run here: both, or none when one does not start. */
async function startRedis(config: Config, say: (line: string) => void, events: RedisEvents): Promise<PrivateRedis> {
  const { home, redisUrl, exchangeUrl } = config;
  if (redisUrl === undefined || exchangeUrl === undefined) ensureRedisServer(say);
  const run = (role: 'durable' | 'exchange') =>
    SupervisedRedis.start({ role, dir: join(home, `redis-${role}`), listen: 'unix' }, events);
  const [durable, exchange] = await startBoth(
    redisUrl === undefined ? run('durable') : null,
    exchangeUrl === undefined ? run('exchange') : null,
  );
  return {
    durable: redisUrl ?? durable?.url ?? '',
    exchange: exchangeUrl ?? exchange?.url ?? '',
    servers: [durable, exchange].filter((server) => server !== null),
    pids: () => ({
      ...(durable === null ? {} : { redis: durable.pid }),
      ...(exchange === null ? {} : { exchange: exchange.pid }),
    }),
  };
}

async function startBoth(
  ...starting: readonly [Promise<SupervisedRedis> | null, Promise<SupervisedRedis> | null]
): Promise<[SupervisedRedis | null, SupervisedRedis | null]> {
  try {
    return await Promise.all(starting);
  } catch (thrown) {
    const settled = await Promise.allSettled(starting);
    await Promise.all(settled.map((one) => (one.status === 'fulfilled' ? one.value?.stop() : undefined)));
    throw thrown;
  }
}

async function makeKeys(config: Config, redis: Redis, say: (line: string) => void): Promise<OperatorKeys> {
  const keys = createKeyStore(redis, readPepper(pepperPath(config)));
  return operatorKeys(config.home, keys, createTenantStore(redis, config.tenants), Date.now(), say);
}

async function withRedis<T>(url: string, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = connectRedis({ url, role: 'durable', name: 'start', retry: 'bounded' });
  try {
    return await use(redis);
  } finally {
    redis.disconnect();
  }
}

/** A port that is free on this host. An unusable host is reported by the gateway, which tries it next. */
async function freePort(host: string): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.once('error', () => server.listen(0, '127.0.0.1', resolve));
    server.listen(0, host, resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address === 'object' && address !== null) return address.port;
  throw new DomainError('unavailable', 'No free port was found. Choose one with --port.');
}
