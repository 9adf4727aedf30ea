// What operators may see of queues: counts, rates, waits, counters of fair dispatch. One round trip per 100 queues.
import type { Redis } from 'ioredis';
import { boundedWeight } from '../redis/fair-limits.ts';
import { keyOf, singleKeys } from '../redis/keys.ts';
import { askRedis } from '../redis/script-errors.ts';
import { decodeQueueName } from './queue-name.ts';

export interface QueueView {
  readonly queue: string;
  readonly model: string;
  readonly tenant: string;
  readonly waiting: number;
  readonly running: number;
  readonly paused: boolean;
  /** True when new requests are refused. */
  readonly draining: boolean;
  /** Age in ms of the request that waits longest; null when none waits. */
  readonly oldestWaitMs: number | null;
  /** Tokens charged so far over weight: what fair dispatch compares. */
  readonly virtualTokens: number;
  readonly weight: number;
  /** Mean ms between two dispatches, measured under load; null before. */
  readonly dispatchGapMs: number | null;
  readonly finished: number;
  readonly failed: number;
  readonly cancelled: number;
  /** Prompt and completion tokens of ended requests. */
  readonly tokensServed: number;
}

const QUEUES_A_TRIP = 100;
const REPLIES_A_QUEUE = 7;

/** Every queue that has ever had a request, by name. */
export async function listQueues(redis: Redis): Promise<readonly QueueView[]> {
  const names = (await askRedis(redis.smembers(singleKeys.queues))).sort();
  const views: QueueView[] = [];
  for (let first = 0; first < names.length; first += QUEUES_A_TRIP) {
    views.push(...(await readQueues(redis, names.slice(first, first + QUEUES_A_TRIP))));
  }
  return views;
}

async function readQueues(redis: Redis, names: readonly string[]): Promise<readonly QueueView[]> {
  const commands = redis.pipeline();
  commands.time();
  for (const name of names) {
    const { model } = decodeQueueName(name);
    commands.zcard(keyOf('waiting', name));
    commands.zcard(keyOf('running', name));
    commands.zrange(keyOf('waiting', name), 0, '0', 'WITHSCORES');
    commands.hexists(`${keyOf('bullmq', name)}:meta`, 'paused');
    commands.sismember(singleKeys.drain, name);
    commands.hmget(keyOf('fair', model), `c:${name}`, `w:${name}`);
    commands.hgetall(keyOf('stat', name));
  }
  const replies = ((await askRedis(commands.exec())) ?? []).map(([, reply]) => reply);
  const nowMs = Number(listOf(replies[0])[0]) * 1_000;
  return names.map((name, index) => toView(name, nowMs, replies.slice(1 + index * REPLIES_A_QUEUE)));
}

function toView(queue: string, nowMs: number, replies: readonly unknown[]): QueueView {
  const [waiting, running, oldest, paused, draining, fair, stat] = replies;
  const oldestAtMs = listOf(oldest)[1];
  const [counter, weight] = listOf(fair);
  const counts = new Map(Object.entries(typeof stat === 'object' && stat !== null ? stat : {}));
  return {
    queue,
    ...decodeQueueName(queue),
    waiting: Number(waiting),
    running: Number(running),
    paused: paused === 1,
    draining: draining === 1,
    oldestWaitMs: oldestAtMs === undefined ? null : Math.max(0, nowMs - Number(oldestAtMs)),
    virtualTokens: Number(counter ?? 0),
    weight: boundedWeight(Number(weight ?? 1)),
    dispatchGapMs: counts.get('gap') ? Number(counts.get('gap')) : null,
    finished: Number(counts.get('finished') ?? 0),
    failed: Number(counts.get('failed') ?? 0),
    cancelled: Number(counts.get('cancelled') ?? 0),
    tokensServed: Number(counts.get('tokens') ?? 0),
  };
}

function listOf(reply: unknown): readonly unknown[] {
  return Array.isArray(reply) ? reply : [];
}
