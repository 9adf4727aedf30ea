// The reaper: ends abandoned requests, such as those of dead gateways, of clients that did not reconnect, and reservations with
// neither job nor terminal entry. Any process with a durable connection may run it; a short lock admits one at a time.
import type { Redis } from 'ioredis';
import { DomainError } from '../errors/domain-error.ts';
import { keyOf, singleKeys } from '../redis/keys.ts';
import { askRedis } from '../redis/script-errors.ts';
import { runScript } from '../redis/scripts.ts';
import { type Repeating, repeatEvery } from '../timing/repeat-every.ts';
import type { BullmqQueues } from './bullmq-queues.ts';
import { removeJob } from './cancel-generation.ts';
import { decodeQueueName } from './queue-name.ts';

/** A gateway without a heartbeat for this long is dead. Its clients have this long to reconnect elsewhere. */
export const GATEWAY_SILENCE_MS = 30_000;

export interface ReapOptions {
  readonly redis: Redis;
  readonly queues: BullmqQueues;
  readonly onProblem: (problem: unknown) => void;
  readonly gatewaySilenceMs?: number;
  /** A reservation without a job is ended when it is this old; default 10 s. */
  readonly lostAfterMs?: number;
}

const TURN_MS = 1_000;
const LOST_AFTER_MS = 10_000;
/** The expensive scan of all queued requests runs once in this many rounds. */
const TURNS_A_SWEEP = 10;
const REQUESTS_A_SCRIPT = 500;

/** Reaps in the background until stopped. */
export function startReaper(options: ReapOptions): Repeating {
  let turn = 0;
  return repeatEvery(
    TURN_MS,
    async () => {
      turn += 1;
      const lock = await askRedis(options.redis.set(singleKeys.reaping, '1', 'PX', TURN_MS, 'NX'));
      if (lock === null) return;
      await reapOrphans(options);
      if (turn % TURNS_A_SWEEP !== 0) return;
      await reapLost(options);
      await repairCounters(options);
    },
    options.onProblem,
  );
}

/** Takes over the requests of dead gateways, and cancels those whose time without a follower is over. */
export async function reapOrphans(options: ReapOptions): Promise<void> {
  const silence = options.gatewaySilenceMs ?? GATEWAY_SILENCE_MS;
  await runScript(options.redis, 'reap-gateways', [singleKeys.gateways], [silence, REQUESTS_A_SCRIPT]);
  const removed = await runScript(options.redis, 'reap-orphans', [singleKeys.orphans], [REQUESTS_A_SCRIPT]);
  const parts = Array.isArray(removed) ? removed.map(String) : [];
  for (let index = 0; index + 1 < parts.length; index += 2) {
    await removeJob(options.queues, String(parts[index]), String(parts[index + 1]));
  }
}

/** Ends requests that have neither a BullMQ job nor a terminal entry. Returns how many. */
export async function reapLost(options: ReapOptions): Promise<number> {
  let ended = 0;
  for (const queue of await askRedis(options.redis.smembers(singleKeys.queues))) {
    ended += await reapList(options, keyOf('waiting', queue), queue);
    ended += await reapList(options, keyOf('running', queue), queue);
  }
  return ended;
}

/** Repairs fair counters that a weight outside of the bounds has damaged, and reports those that dispatch has repaired. */
export async function repairCounters({ redis, onProblem }: Pick<ReapOptions, 'redis' | 'onProblem'>): Promise<void> {
  const queues = await askRedis(redis.smembers(singleKeys.queues));
  for (const model of new Set(queues.map((queue) => decodeQueueName(queue).model))) {
    const repaired = Number(await runScript(redis, 'repair-counters', [keyOf('fair', model)], [model]));
    if (repaired === 0) continue;
    const message = `Reset ${repaired} damaged fair-share counters of the model '${model}'. Their tenants start with equal shares again.`;
    onProblem(new DomainError('internal', message));
  }
}

async function reapList(options: ReapOptions, list: string, queue: string): Promise<number> {
  let ended = 0;
  for (let first = 0; ; ) {
    const reply = await runScript(
      options.redis,
      'reap-generations',
      [list, `${keyOf('bullmq', queue)}:`],
      [options.lostAfterMs ?? LOST_AFTER_MS, first, REQUESTS_A_SCRIPT],
    );
    const [seen, gone] = Array.isArray(reply) ? reply.map(Number) : [];
    ended += gone ?? 0;
    if ((seen ?? 0) < REQUESTS_A_SCRIPT) return ended;
    // What was ended left the list, so the next ones moved up.
    first += REQUESTS_A_SCRIPT - (gone ?? 0);
  }
}
