// A node that can take part in a group: its model described, a session made, its id registered, its packs offered to others. It
// holds no weights yet: what it is to hold is its group's decision (workers/cluster).
import type { Redis } from 'ioredis';
import type { Config } from '../../infra/config/config-schema.ts';
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { Logger } from '../../infra/log/logger.ts';
import { checkRedisServer } from '../../infra/redis/check-redis-server.ts';
import { connectRedis } from '../../infra/redis/connect.ts';
import { type Heartbeat, startHeartbeat } from '../../infra/registry/node-heartbeats.ts';
import { createChatTemplate } from '../../infra/tokenizer/chat-template.ts';
import { createTokenizer } from '../../infra/tokenizer/create-tokenizer.ts';
import type { Tokenizer } from '../../infra/tokenizer/tokenizer.ts';
import { namingFolder, type TokenizerFiles } from '../../infra/tokenizer/tokenizer-files.ts';
import { ModelSession } from '../../native/model-session.ts';
import { CANARY_BLOCKS } from '../cluster/canary.ts';
import { describeClockSkew, measureClockSkew } from '../cluster/clock-skew.ts';
import { findPeersIn, readPackToken } from '../cluster/find-peers.ts';
import { LoadedModel } from '../cluster/loaded-model.ts';
import { refusedByNative } from '../model/native-failures.ts';
import { removeOldPacks } from '../pack/pack-folder.ts';
import { type ServedPacks, servePacks } from '../pack/serve-packs.ts';
import { loadEvents } from './load-events.ts';
import { NodeState } from './node-state.ts';
import { type EngineSize, sizeEngine } from './open-engine.ts';
import { type NodeModel, openNodeModel } from './open-node-model.ts';
import { GenerationTraces } from './trace-generations.ts';

export interface ServeOptions {
  readonly config: Config;
  /** Checkpoint or pack folder; null takes the model that the group serves. */
  readonly folder: string | null;
  /** Name that clients use; null takes the folder's. */
  readonly name: string | null;
  readonly nodeId: string;
  readonly log: Logger;
}

export interface ServingNode extends NodeModel {
  readonly config: Config;
  readonly group: string;
  readonly nodeId: string;
  readonly incarnation: string;
  /** Of the durable Redis. */
  readonly url: string;
  readonly redis: Redis;
  readonly held: LoadedModel;
  readonly size: EngineSize;
  readonly tokenizer: Tokenizer;
  /** What the node says of itself. */
  readonly state: NodeState;
  readonly heartbeat: Heartbeat;
  readonly traces: GenerationTraces;
  readonly log: Logger;
  close(): Promise<void>;
}

/**
 * Opens everything but weights. Throws DomainError naming what is wrong: with the configuration, the Redis server, the model's
 * files, the memory, or the node's id, which another process has.
 */
export async function openNode(options: ServeOptions): Promise<ServingNode> {
  const { config, nodeId, log } = options;
  const url = config.redisUrl;
  if (url === undefined)
    throw new DomainError('bad_config', 'No Redis is configured. Set REDIS_URL, or `redisUrl` in conclave.yaml.', {
      param: 'redisUrl',
    });
  const redis = connectRedis({ url, role: 'durable', name: 'worker', retry: 'forever' });
  const closing: (() => Promise<void> | void)[] = [() => redis.disconnect()];
  const close = async () => {
    for (const step of closing.splice(0).reverse()) await step();
  };
  try {
    for (const warning of await checkRedisServer(redis, 'durable')) log.warn(warning);
    const skew = describeClockSkew(nodeId, await measureClockSkew(redis));
    if (skew !== null) log.warn(skew);
    const { group } = config.worker;
    const findPeers = findPeersIn(redis, group, nodeId);
    const request = { ...options, home: config.home, group, redis, findPeers, events: loadEvents(log) };
    const model = await openNodeModel(request);
    for (const old of await removeOldPacks(config.home)) log.info({ folder: old }, 'deleted packs of an older version');
    const size = sizeEngine(model.source.description, config.worker);
    const held = new LoadedModel(model.source, createSession(model, size, config));
    closing.push(() => held.close());
    const tokenizer = await namingFolder(options.folder ?? model.name, () => checkedTokenizer(model.files));
    const packs = await offerPacks(model, redis, config);
    closing.push(() => packs.close());
    const state = new NodeState({ ...options, name: model.name, held, size, packsUrl: packs.url });
    const heartbeat = await startHeartbeat(redis, () => state.report());
    closing.push(() => heartbeat.stop());
    const { incarnation } = state;
    const traces = new GenerationTraces();
    return {
      ...model,
      ...{
        config,
        group,
        nodeId,
        incarnation,
        url,
        redis,
        held,
        size,
        tokenizer,
        state,
        heartbeat,
        traces,
        log,
        close,
      },
    };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

function createSession({ source }: NodeModel, { threads, kvBlocks }: EngineSize, { worker }: Config): ModelSession {
  try {
    const { backend, maxRows } = worker;
    return ModelSession.create(source.description, {
      backend,
      threads,
      kvBlocks: kvBlocks + CANARY_BLOCKS,
      maxRows,
      variant: '',
    });
  } catch (thrown) {
    throw refusedByNative(thrown);
  }
}

/** On the address by which this node reaches Redis: that is where the other nodes are. */
async function offerPacks({ source }: NodeModel, redis: Redis, { worker }: Config): Promise<ServedPacks> {
  const token = await readPackToken(redis);
  const { stream } = redis as { readonly stream: { readonly localAddress?: string } };
  const host = worker.packHost ?? stream.localAddress ?? '127.0.0.1';
  const { packFolder: folder, packed: model, description } = source;
  return servePacks({ folder, model, description, host, token });
}

/** Gateways render the chat template, but a syntax error is best reported here, where the file is. */
async function checkedTokenizer(files: TokenizerFiles): Promise<Tokenizer> {
  const tokenizer = await createTokenizer(files);
  createChatTemplate(files, tokenizer);
  return tokenizer;
}
