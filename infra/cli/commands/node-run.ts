// `conclave node`: a worker in the foreground, until SIGTERM or SIGINT. Its log goes to stderr.
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { serveModel } from '../../../workers/serve/serve-model.ts';
import { type ConfigFlags, readConfig } from '../../config/read-config.ts';
import { createLogger } from '../../log/logger.ts';

export interface NodeOptions extends Pick<ConfigFlags, 'config' | 'home' | 'model' | 'threads' | 'group'> {
  readonly join: string;
  readonly node?: string;
}

export async function nodeCommand({ join, node, ...flags }: NodeOptions): Promise<void> {
  const config = readConfig(flags, { ...process.env, REDIS_URL: join });
  const log = createLogger('node', config.logLevel);
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
  const folder = config.model === undefined ? null : resolve(config.model);
  const nodeId = node ?? `${hostname()}-${process.pid}`;
  await serveModel({ config, folder, name: null, nodeId, log }, stop.signal);
}
