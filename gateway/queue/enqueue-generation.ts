// The only producer of jobs. In: a frozen GenerationRequest. Out: its place in the tenant's queue, or `queue_full`. One round
// trip, and one script: a request is stored, its job added and the leaders woken, or nothing of it.
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { countChoices, countPromptTokens, type GenerationRequest } from '../../infra/messages/generation-request.ts';
import { bullmqQueues } from '../../infra/queue/bullmq-queues.ts';
import { cancelGeneration } from '../../infra/queue/cancel-generation.ts';
import { parseDispatchRate, retryAfterSeconds } from '../../infra/queue/estimate-wait.ts';
import { checkRequestId, encodeQueueName } from '../../infra/queue/queue-name.ts';
import { connectRedis } from '../../infra/redis/connect.ts';
import { ENDED_TTL_MS, keyOf } from '../../infra/redis/keys.ts';
import { scriptError } from '../../infra/redis/script-errors.ts';
import { runScript } from '../../infra/redis/scripts.ts';
import { type QueuePlace, readPositions } from './read-positions.ts';

export interface EnqueueInput {
  readonly request: GenerationRequest;
  /** Requests of this tenant and model that may wait at the same time, >= 1. */
  readonly waitingLimit: number;
  /** The client's Idempotency-Key with a digest of its body (no spaces), or null. */
  readonly idempotency: { readonly key: string; readonly bodyDigest: string } | null;
}

export interface Enqueued {
  /** The id to follow: the request's own, or that of the earlier request with the same Idempotency-Key. */
  readonly id: string;
  readonly repeated: boolean;
  /** Requests of this tenant and model ahead of it; 0 is next, also when a repeated one does not wait any more. */
  readonly position: number;
}

export interface GenerationQueue {
  /**
   * Reserves the tenant's tokens, stores the request, registers this gateway as its follower, adds the job.
   * Throws `queue_full` (with retryAfterSeconds from the measured rate), `conflict` (Idempotency-Key with another body, or
   * an id in use), `unavailable` (draining, or Redis is unreachable).
   */
  enqueue(input: EnqueueInput): Promise<Enqueued>;
  /** Stops a request within one step, wherever it is; false when it had already ended. Throws `not_found` for another tenant's. */
  cancel(id: string, tenant: string): Promise<boolean>;
  /** Places of those of the requests that wait. */
  positions(ids: readonly string[]): Promise<ReadonlyMap<string, QueuePlace>>;
  close(): Promise<void>;
}

export interface GenerationQueueOptions {
  readonly url: string;
  /** This process' id, the same as its stream follower's; no spaces. */
  readonly gatewayId: string;
  /** How long an answer, and the Idempotency-Key that leads to it, stay after its end, in ms; default ten minutes. */
  readonly keptMs?: number;
}

/** Opens one connection. */
export function openGenerationQueue(options: GenerationQueueOptions): GenerationQueue {
  const redis = connectRedis({ url: options.url, role: 'durable', name: 'enqueue', retry: 'bounded' });
  const queues = bullmqQueues(redis);
  return {
    enqueue: (input) => enqueue(redis, options, input),
    cancel: async (id, tenant) => (await cancelGeneration(redis, queues, id, tenant)) !== 'ended',
    positions: (ids) => readPositions(redis, ids),
    close: async () => {
      await queues.close();
      redis.disconnect();
    },
  };
}

/** Tokens that a request may use at most: its prompts and every choice in full. */
export function reservedTokens(request: GenerationRequest): number {
  return countPromptTokens(request) + request.maxTokens * countChoices(request);
}

async function enqueue(redis: Redis, options: GenerationQueueOptions, input: EnqueueInput): Promise<Enqueued> {
  const { request, idempotency } = input;
  checkRequestId(request.id);
  const queue = encodeQueueName(request);
  const scriptKeys = [idempotency === null ? '' : idempotencyKey(queue, idempotency.key), keyOf('request', request.id)];
  const [kind, detail, place] = await admit(redis, scriptKeys, [
    request.id,
    queue,
    request.model,
    request.tenant,
    reservedTokens(request),
    countPromptTokens(request),
    request.resumeSeconds,
    input.waitingLimit,
    options.gatewayId,
    idempotency?.bodyDigest ?? '',
    options.keptMs ?? ENDED_TTL_MS,
    JSON.stringify(request),
    request.reading === undefined ? '' : JSON.stringify(request.reading),
  ]);
  if (kind === 1) return { id: request.id, repeated: false, position: Number(detail) };
  return { id: String(detail), repeated: true, position: Math.max(0, Number(place)) };
}

async function admit(
  redis: Redis,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<readonly unknown[]> {
  const reply = await runScript(redis, 'admit-generation', keys, args);
  const parts = Array.isArray(reply) ? reply : [];
  // A full queue is the one refusal with details, so it is a positive reply: {3, gap, idle}.
  if (parts[0] === 3) throw scriptError(-2, retryAfterSeconds(parseDispatchRate(parts[1], parts[2])));
  return parts;
}

function idempotencyKey(queue: string, key: string): string {
  return keyOf('idempotency', createHash('sha256').update(`${queue}\n${key}`).digest('hex'));
}
