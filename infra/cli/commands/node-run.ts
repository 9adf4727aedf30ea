// `conclave node`: a worker in the foreground, until SIGTERM or SIGINT. Its log goes to stderr.
import { hostname } from 'node:os';
import { exitWhenLate } from '../../../workers/serve/exit-when-late.ts';
import { serveModel } from '../../../workers/serve/serve-model.ts';
import { type ConfigFlags, readConfig } from '../../config/read-config.ts';
import { createLogger } from '../../log/logger.ts';
import { stopRequest } from '../../process/stop-request.ts';
import { awaitRedis } from '../await-redis.ts';
import { joinUrl } from '../join-url.ts';
import { provideModel } from '../provide-model.ts';

export interface NodeOptions
  extends Pick<ConfigFlags, 'config' | 'home' | 'model' | 'servedModelName' | 'threads' | 'group'> {
  readonly join?: string;
  readonly joinFile?: string;
  readonly node?: string;
}

export async function nodeCommand({ join, joinFile, node, ...flags }: NodeOptions): Promise<void> {
  const joined = joinUrl({ join, joinFile }, process.env);
  const config = readConfig(flags, { ...process.env, ...(joined !== undefined && { REDIS_URL: joined }) });
  const log = createLogger('node', config.logLevel);
  const stop = stopRequest();
  stop.addEventListener('abort', () => exitWhenLate(config.drainSeconds, log), { once: true });
  const { folder, repository } =
    config.model === undefined ? { folder: null, repository: null } : await provideModel(config.model);
  const nodeId = node ?? `${hostname()}-${process.pid}`;
  const say = (line: string) => process.stderr.write(`${line}\n`);
  if (config.redisUrl !== undefined) await awaitRedis(config.redisUrl, say, stop);
  const name = config.servedModelName ?? repository;
  if (!stop.aborted) await serveModel({ config, folder, name, nodeId, log }, stop);
  // A start that was stopped half way may still be opening files.
  process.exit();
}
