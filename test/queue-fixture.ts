// Fixture for queue tests, without model and HTTP: a Redis, a gateway's queue and stream follower, and leaders of groups.
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { type GenerationQueue, openGenerationQueue } from '../gateway/queue/enqueue-generation.ts';
import { type StreamEntry, type StreamFollower, startStreamFollower } from '../gateway/stream/follow-streams.ts';
import type { GenerationRequest } from '../infra/messages/generation-request.ts';
import type { TokensEvent } from '../infra/messages/token-event.ts';
import { type BullmqQueues, bullmqQueues } from '../infra/queue/bullmq-queues.ts';
import { connectRedis } from '../infra/redis/connect.ts';
import { acquireLease, type HeldLease } from '../workers/cluster/lease.ts';
import { OwnedJobs } from '../workers/queue/owned-jobs.ts';
import type { TakeParts } from '../workers/queue/take-next.ts';
import { openTokenWriter, type TokenWriter } from '../workers/tokens/append-tokens.ts';
import { requestFixture } from './request-fixture.ts';
import { type Cleanup, startRedis, type TestRedis } from './start-redis.ts';

export const MODEL = 'demo';

export interface QueueFixture {
  readonly server: TestRedis;
  /** For inspection, and for modules that take a connection. */
  readonly redis: Redis;
  readonly queues: BullmqQueues;
  gatewayQueue(gatewayId?: string): GenerationQueue;
  follower(gatewayId?: string): Promise<StreamFollower>;
  /** Takes the lease of a group, with jobs and token writer but without background tasks. */
  lead(group: string, model?: string): Promise<Leader>;
}

export interface Leader {
  readonly lease: HeldLease;
  readonly parts: TakeParts;
  readonly writer: TokenWriter;
}

export async function startQueueFixture(
  test: Cleanup,
  fsync: 'everysec' | 'always' = 'everysec',
): Promise<QueueFixture> {
  const server = await startRedis(test, 'durable', fsync);
  const redis = connectRedis({ url: server.url, role: 'durable', name: 'test', retry: 'forever' });
  const queues = bullmqQueues(redis);
  server.defer(() => redis.disconnect());
  return {
    server,
    redis,
    queues,
    gatewayQueue: (gatewayId = 'gateway-1') => {
      const queue = openGenerationQueue({ url: server.url, gatewayId });
      server.defer(() => queue.close());
      return queue;
    },
    follower: async (gatewayId = 'gateway-1') => {
      const follower = await startStreamFollower({ url: server.url, gatewayId });
      server.defer(() => follower.close());
      return follower;
    },
    lead: async (group, model = MODEL) => {
      const lease = await eventually(() =>
        acquireLease({ redis, group, nodeId: `node-of-${group}`, leaseMs: 3_000 }, 0),
      );
      const fence = () => lease.fence();
      const owned = new OwnedJobs(redis, queues, group, fence);
      const writer = openTokenWriter({ url: server.url, fence });
      server.defer(() => lease.release());
      server.defer(() => writer.close());
      return { lease, writer, parts: { redis, queues, owned, model, group, fence } };
    },
  };
}

let lastId = 0;

/** A request with three prompt tokens and max_tokens 10, and `change` applied. */
export function makeRequest(change: Partial<GenerationRequest> = {}): GenerationRequest {
  lastId += 1;
  return requestFixture({ id: `request-${lastId}`, model: MODEL, tenant: 'key:acme', ...change });
}

/** An event of `count` tokens whose text contains `number`. */
export function tokensEvent(number: number, count = 1): TokensEvent {
  const ids = Array.from({ length: count }, (_, index) => number + index);
  return { type: 'tokens', choice: 0, ids, text: ` t${number}`, logprobs: null, finish: null };
}

export const FINISHED = { outcome: 'finished', error: null, cachedTokens: 0 } as const;

/** Reads a stream to its end, or until `until` returns true. */
export async function readStream(
  entries: AsyncIterable<StreamEntry>,
  until: (entry: StreamEntry) => boolean = () => false,
): Promise<readonly StreamEntry[]> {
  const seen: StreamEntry[] = [];
  for await (const entry of entries) {
    seen.push(entry);
    if (until(entry)) break;
  }
  return seen;
}

/** Polls until `ask` returns a value. Throws after ten seconds. */
export async function eventually<Value>(ask: () => Promise<Value | null | undefined | false>): Promise<Value> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const answer = await ask();
    if (answer !== null && answer !== undefined && answer !== false) return answer;
    if (Date.now() > deadline) throw new Error('It did not happen within ten seconds.');
    await delay(10);
  }
}
