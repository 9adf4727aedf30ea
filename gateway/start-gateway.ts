// Composition root of the gateway: creates the real parts and listens. The gateway answers immediately; while Redis is
// unreachable, requests get 503 and /readyz gives the reason.
import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Config } from '../infra/config/config-schema.ts';
import { pepperPath } from '../infra/config/read-config.ts';
import { DomainError } from '../infra/errors/domain-error.ts';
import type { Logger } from '../infra/log/logger.ts';
import { createMetrics } from '../infra/metrics/metrics.ts';
import { controlQueues } from '../infra/queue/control-queues.ts';
import { listJobs, readAnswerReading, readGeneration } from '../infra/queue/inspect-jobs.ts';
import { listQueues } from '../infra/queue/inspect-queues.ts';
import { checkRedisServer } from '../infra/redis/check-redis-server.ts';
import { connectRedis } from '../infra/redis/connect.ts';
import { singleKeys } from '../infra/redis/keys.ts';
import { createWriteProbe } from '../infra/redis/probe-writes.ts';
import { startRewriting } from '../infra/redis/rewrite-append-only.ts';
import { askRedis } from '../infra/redis/script-errors.ts';
import { readPlanHistory } from '../infra/registry/group-plans.ts';
import { readNodes } from '../infra/registry/node-heartbeats.ts';
import { readRoutingCounts } from '../infra/registry/routing-counts.ts';
import { type ModelCards, watchModelCards } from '../infra/registry/watch-model-cards.ts';
import { createAuditLog } from '../infra/tenants/audit-log.ts';
import { createKeyStore } from '../infra/tenants/key-store.ts';
import { readPepper } from '../infra/tenants/read-pepper.ts';
import { createTenantStore, type TenantStore } from '../infra/tenants/tenant-store.ts';
import { createJobBoard } from './admin/job-board.ts';
import { startSettling } from './apis/responses/background.ts';
import { createResponseStore } from './apis/responses/response-store.ts';
import { createApp } from './app.ts';
import { createAuthenticator } from './auth/authenticate.ts';
import { createEndedSessions } from './auth/ended-sessions.ts';
import { createRequestRateLimit } from './auth/limit-request-rate.ts';
import { createSessions } from './auth/sessions.ts';
import { createJwtVerifier } from './auth/verify-jwt.ts';
import { createBatchStore } from './batches/batch-store.ts';
import { startBatches } from './batches/run-batches.ts';
import type { CallApp } from './batches/run-line.ts';
import { createFileStore } from './files/file-store.ts';
import { listen } from './listen.ts';
import { createServedModels, type ModelsWithEncoders } from './models/served-models.ts';
import type { GatewayParts, Operations } from './parts.ts';
import { publicPath } from './public-address.ts';
import { type GenerationQueue, openGenerationQueue } from './queue/enqueue-generation.ts';
import { retryGeneration } from './queue/retry-generation.ts';
import { makeRequestId, readRequestId } from './request/request-id.ts';
import { type StreamFollower, type StreamFollowerOptions, startStreamFollower } from './stream/follow-streams.ts';

export interface RunningGateway {
  readonly url: string;
  /** Settles when models and streams can be read; rejects with `bad_config` when the Redis server cannot be used. */
  readonly connected: Promise<void>;
  /** Graceful shutdown: refuses new requests, drains answers for `drainSeconds`, leaves the rest resumable, closes Redis. */
  close(): Promise<void>;
}

/** Parts that need Redis; undefined until the first connection. */
interface LateParts {
  cards: ModelCards | undefined;
  follower: StreamFollower | undefined;
  draining: boolean;
}

/** Starts a gateway. @throws DomainError `bad_config` for a missing Redis URL, a port that is taken or a bad pepper. */
export async function startGateway(config: Config, log: Logger): Promise<RunningGateway> {
  const url = requireRedisUrl(config);
  const gatewayId = `gw-${randomBytes(8).toString('hex')}`;
  const redis = connectRedis({ url, role: 'durable', name: 'gateway', retry: 'bounded' });
  const queue = openGenerationQueue({ url, gatewayId, keptMs: Math.ceil(config.stream.replaySeconds * 1000) });
  const late: LateParts = { cards: undefined, follower: undefined, draining: false };
  const models = createServedModels(
    { get: (name) => orAway(late.cards).get(name), list: () => orAway(late.cards).list() },
    log,
  );
  const parts = createParts(config, log, { redis, queue, late, models });
  const giveUp = new AbortController();
  const onProblem = (problem: unknown) => log.warn({ err: problem }, 'background work failed and will be retried');
  const everyMs = config.appendOnlyRewriteSeconds * 1000;
  const rewriting = everyMs === 0 ? null : startRewriting({ redis, everyMs, onProblem });
  const connected = connectLate(late, { url, gatewayId, onProblem, giveUp: giveUp.signal }, redis, log);
  // The caller awaits this later; until then a rejection must not end the process.
  connected.catch(() => {});
  const settling = startSettling(parts, onProblem);
  const app = createApp(parts);
  const call: CallApp = async (request, internalCaller) => app.fetch(request, { internalCaller });
  const batches = startBatches({ parts, gatewayId, call, onProblem });
  const server = await listen(app.fetch, config, log);
  log.info({ address: server.url, gatewayId }, 'listening');
  const close = async () => {
    late.draining = true;
    const stopped = batches.stop();
    await server.shutDown(config.drainSeconds * 1000, async () => late.follower?.close());
    await Promise.all([late.cards?.close(), queue.close(), parts.jobBoard.close()]);
    models.close();
    redis.disconnect();
    await Promise.all([stopped, settling.stop(), rewriting?.stop()]);
    // Where Redis never was, connections still wait for it.
    giveUp.abort();
  };
  return { url: server.url, connected, close };
}

function requireRedisUrl(config: Config): string {
  if (config.redisUrl !== undefined) return config.redisUrl;
  throw new DomainError('bad_config', 'No Redis is configured. Set REDIS_URL, or `redisUrl` in conclave.yaml.', {
    param: 'redisUrl',
  });
}

async function connectLate(
  late: LateParts,
  to: StreamFollowerOptions & { readonly giveUp: AbortSignal },
  redis: Redis,
  log: Logger,
): Promise<void> {
  const starting = [watchModelCards(to), startStreamFollower(to)] as const;
  [late.cards, late.follower] = await Promise.race([Promise.all(starting), rejectedBy(to.giveUp)]);
  for (const warning of await checkRedisServer(redis, 'durable')) log.warn(warning);
}

/** Rejects with a clear error if the gateway closes before it is connected, rather than with one about a closed connection. */
function rejectedBy(giveUp: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const closed = () =>
      reject(new DomainError('unavailable', 'The gateway was stopped before it could connect to Redis.'));
    giveUp.addEventListener('abort', closed, { once: true });
  });
}

interface Opened {
  readonly redis: Redis;
  readonly queue: GenerationQueue;
  readonly late: LateParts;
  readonly models: ModelsWithEncoders;
}

function createParts(config: Config, log: Logger, { redis, queue, late, models }: Opened): GatewayParts {
  const pepper = readPepper(pepperPath(config));
  const keys = createKeyStore(redis, pepper);
  const tenants = createTenantStore(redis, config.tenants);
  const whyNoWrites = createWriteProbe(redis);
  return {
    config,
    keys,
    tenants,
    queue,
    log,
    audit: createAuditLog(redis),
    authenticator: createAuthenticator(keys, tenants, createJwtVerifier(config.auth.jwt)),
    sessions: createSessions({
      keys,
      tenants,
      ended: createEndedSessions(redis),
      pepper,
      seconds: config.auth.sessionSeconds,
    }),
    rateLimit: createRequestRateLimit(redis),
    models,
    streams: {
      expect: (id) => orAway(late.follower).expect(id),
      follow: (...call) => orAway(late.follower).follow(...call),
      length: (id) => orAway(late.follower).length(id),
      get size() {
        return late.follower?.size ?? 0;
      },
      close: async () => late.follower?.close(),
    },
    findGeneration: (id) => readGeneration(redis, id),
    findReading: (id) => readAnswerReading(redis, id),
    operations: createOperations(redis, queue, tenants),
    responses: createResponseStore(redis, config.responses),
    files: createFileStore(redis, config.files),
    batches: createBatchStore(redis, config),
    jobBoard: createJobBoard({
      redis,
      queueNames: async () => (await askRedis(redis.smembers(singleKeys.queues))).sort(),
      publicPath: (path) => publicPath(config, path),
    }),
    unreadyReasons: () => unreadyReasons(whyNoWrites, late),
    clock: Date.now,
    random: randomBytes,
    metrics: createMetrics(),
  };
}

function orAway<Part>(part: Part | undefined): Part {
  if (part !== undefined) return part;
  throw new DomainError('unavailable', 'The gateway is still connecting to Redis. Try again.', {
    retryAfterSeconds: 1,
  });
}

function createOperations(redis: Redis, queue: GenerationQueue, tenants: TenantStore): Operations {
  return {
    queues: () => listQueues(redis),
    jobs: (filter, page) => listJobs(redis, filter, page),
    nodes: () => readNodes(redis),
    plans: (group, count) => readPlanHistory(redis, group, count),
    routing: (model) => readRoutingCounts(redis, model),
    control: controlQueues(redis),
    retry: (id) => retry(redis, queue, tenants, id),
  };
}

/** The new request belongs to the tenant of the old one, and waits by that tenant's limit. */
async function retry(redis: Redis, queue: GenerationQueue, tenants: TenantStore, id: string): Promise<string> {
  const record = await readGeneration(redis, id);
  const { maxWaiting } = await tenants.policy(record?.tenant ?? '');
  const nowMs = Date.now();
  const freshId = makeRequestId(readRequestId(id)?.kind ?? 'chat', nowMs, randomBytes);
  const fresh = { id: freshId, nowMs, waitingLimit: maxWaiting };
  return (await retryGeneration(redis, queue, id, fresh)).id;
}

async function unreadyReasons(whyNoWrites: () => Promise<string | null>, late: LateParts): Promise<readonly string[]> {
  if (late.draining) return ['The gateway is shutting down.'];
  const refusal = await whyNoWrites();
  if (refusal !== null) return [refusal];
  if (late.cards === undefined || late.follower === undefined) return ['The gateway is still connecting to Redis.'];
  return late.cards.list().length === 0 ? ['No worker serves a model.'] : [];
}
