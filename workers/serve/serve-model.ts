// A worker's life: open the model, tell gateways about it, lead the group while the lease holds, run its generations.
// Nothing here is the only copy of anything: a killed worker's successor finds all in Redis.
import { statSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Config } from '../../infra/config/config-schema.ts';
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { Logger } from '../../infra/log/logger.ts';
import { VERSION } from '../../infra/package-facts.ts';
import { connectRedis } from '../../infra/redis/connect.ts';
import { type NodeReport, startHeartbeat } from '../../infra/registry/node-heartbeats.ts';
import { startPublishing } from '../../infra/registry/publish-model-card.ts';
import { createTokenizer } from '../../infra/tokenizer/create-tokenizer.ts';
import type { Tokenizer } from '../../infra/tokenizer/tokenizer.ts';
import { readTokenizerFiles } from '../../infra/tokenizer/tokenizer-files.ts';
import { acquireLease, type HeldLease } from '../cluster/lease.ts';
import { openCancelSignals } from '../queue/cancel-signals.ts';
import { openGenerationSource } from '../queue/generation-source.ts';
import { openTokenWriter } from '../tokens/append-tokens.ts';
import { readPublished } from '../tokens/read-published.ts';
import { GenerationGroup, type GroupObserver } from './generation-group.ts';
import { localExecutor } from './local-executor.ts';
import { modelCard } from './model-card.ts';
import { type Engine, openEngine } from './open-engine.ts';
import { GenerationTraces } from './trace-generations.ts';
import { WorkerStatistics } from './worker-statistics.ts';

export interface ServeOptions {
  readonly config: Config;
  /** Checkpoint or pack folder. */
  readonly folder: string;
  /** Name that clients use. */
  readonly name: string;
  readonly nodeId: string;
  readonly log: Logger;
}

interface Worker extends ServeOptions {
  readonly url: string;
  readonly redis: Redis;
  readonly engine: Engine;
  readonly tokenizer: Tokenizer;
  readonly observers: readonly GroupObserver[];
}

/** How long a worker that does not lead waits before it tries again. */
const STANDBY_MS = 500;

/** Serves until `stop` is aborted. Throws DomainError when model, Redis or configuration cannot be used. */
export async function serveModel(options: ServeOptions, stop: AbortSignal): Promise<void> {
  const { config, log, folder, name } = options;
  if (config.redisUrl === undefined)
    throw new DomainError('bad_config', 'Expected REDIS_URL, or `redisUrl` in conclave.yaml.');
  const engine = await openEngine(
    { folder, home: config.home, packs: 'all', events: loadEvents(log) },
    { ...config.worker, variant: '' },
  );
  const redis = connectRedis({ url: config.redisUrl, role: 'durable', name: 'worker', patience: 'forever' });
  const files = await readTokenizerFiles(folder, engine.packs.description.family);
  const tokenizer = await createTokenizer(files);
  const created = Math.floor(statSync(folder).mtimeMs / 1000);
  const model = engine.packs.description;
  const statistics = new WorkerStatistics(engine.scheduler, log);
  const publishing = await startPublishing(
    redis,
    modelCard({ name, created, model, kvTokens: engine.kvTokens, files, tokenizer }),
    (problem) => log.warn({ err: problem }, 'the model card could not be published; trying again'),
  );
  const worker = {
    ...options,
    url: config.redisUrl,
    redis,
    engine,
    tokenizer,
    observers: [statistics, new GenerationTraces()],
  };
  let role: NodeReport['role'] = 'member';
  const heartbeat = startHeartbeat(redis, () => report(worker, role, statistics.numbers()));
  try {
    await leadWhilePossible(worker, stop, async (leads) => {
      role = leads ? 'leader' : 'member';
      await heartbeat.beat();
    });
  } finally {
    await Promise.allSettled([heartbeat.stop(), publishing.stop()]);
    redis.disconnect();
    await engine.close();
  }
}

async function leadWhilePossible(
  worker: Worker,
  stop: AbortSignal,
  onRole: (leads: boolean) => Promise<void>,
): Promise<void> {
  const { group, leaseSeconds } = worker.config.worker;
  let seenEpoch = 0;
  while (!stop.aborted) {
    const leaseMs = leaseSeconds * 1000;
    const lease = await acquireLease({ redis: worker.redis, group, nodeId: worker.nodeId, leaseMs }, seenEpoch);
    if (lease === null) {
      await delay(STANDBY_MS, undefined, { signal: stop }).catch(() => {});
      continue;
    }
    seenEpoch = lease.epoch;
    await onRole(true);
    worker.log.info({ group, epoch: lease.epoch }, 'leading');
    await lead(worker, lease, stop);
    await onRole(false);
  }
}

/** Runs the group's generations until told to stop or until the lease is lost. */
async function lead(worker: Worker, lease: HeldLease, stop: AbortSignal): Promise<void> {
  const { url, redis, engine, tokenizer, log, observers, config } = worker;
  const { group, maxSequences } = config.worker;
  const onProblem = (problem: unknown): void => log.warn({ err: problem }, 'background work failed and is tried again');
  const fence = () => lease.fence();
  const writer = openTokenWriter({ url, fence, onProblem });
  const source = openGenerationSource({ url, model: worker.name, group, fence, onProblem });
  const cancels = await openCancelSignals({ url, group });
  const generations = new GenerationGroup({
    source,
    cancels,
    writer,
    scheduler: engine.scheduler,
    executor: localExecutor(engine.session),
    tokenizer,
    readPublished: (id) => readPublished(redis, id),
    maxGenerations: maxSequences,
    observers,
  });
  try {
    await generations.recover();
    await generations.run(stop, config.drainSeconds * 1000);
    await lease.release();
  } catch (thrown) {
    generations.abandon();
    if (!(thrown instanceof DomainError && thrown.code === 'fenced')) throw thrown;
    log.warn({ group, epoch: lease.epoch }, 'lost the lease; another leader goes on');
  } finally {
    await Promise.allSettled([source.close(), cancels.close(), writer.close()]);
  }
}

function report(worker: Worker, role: NodeReport['role'], stats: NodeReport['stats']): NodeReport {
  return {
    id: worker.nodeId,
    group: worker.config.worker.group,
    model: worker.name,
    role,
    host: hostname(),
    pid: process.pid,
    version: VERSION,
    backend: 'cpu',
    startedAtMs: Math.round(performance.timeOrigin),
    stats: { threads: worker.engine.threads, ...stats },
  };
}

function loadEvents(log: Logger) {
  return {
    onProgress: ({ what, done, total }: { what: string; done: number; total: number }) =>
      log.debug({ done, total }, what),
    onWait: ({ pid, host }: { pid: number; host: string }) =>
      log.info({ pid, host }, 'waiting for another process to build packs'),
  };
}
