// BullMQ's classes for our queues, all of a process over one connection: BullMQ alone would open one per queue, and a
// second one per worker. In: a connection. Out: a Queue or Worker by name. Must not take or add jobs.
import { type BackendFactory, Queue, QueueKeys, RedisConnection, RedisQueueBackend, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { JOB_OPTIONS, LOCK_MS, QUEUE_EVENTS } from '../redis/bullmq-scripts.ts';
import { BULLMQ_PREFIX } from '../redis/keys.ts';

/** What a job carries: enough to schedule it, nothing of the prompt. */
export interface JobData {
  readonly reservedTokens: number;
  readonly promptTokens: number;
}

export interface BullmqQueues {
  queue(name: string): Queue<JobData>;
  worker(name: string): Worker<JobData>;
  /** Forgets the queues; the connection is its owner's to close. */
  close(): Promise<void>;
}

/** Time between two looks for jobs without a lock. */
export const STALL_SCAN_MS = 5_000;
/** A job may lose its group once; the second time it fails. */
export const MAX_STALLS = 1;

/** Opens no connection of its own. */
export function bullmqQueues(redis: Redis): BullmqQueues {
  const shared = new RedisConnection(redis, { shared: true, blocking: false });
  // BullMQ reports a lost connection here as well; commands reject, and the owner of the connection watches it.
  shared.on('error', () => {});
  const backend = sharedBackend(shared);
  const queues = new Map<string, Queue<JobData>>();
  const workers = new Map<string, Worker<JobData>>();
  return {
    queue: (name) => cached(queues, name, () => openQueue(name, redis, backend)),
    worker: (name) => cached(workers, name, () => openWorker(name, redis, backend)),
    close: async () => {
      await Promise.allSettled([...queues.values(), ...workers.values()].map((one) => one.close()));
    },
  };
}

function sharedBackend(connection: RedisConnection): BackendFactory<RedisQueueBackend> {
  const names = new QueueKeys(BULLMQ_PREFIX);
  return (name, options) =>
    new RedisQueueBackend(
      connection,
      name,
      names.getKeys(name),
      (type) => names.toKey(name, type),
      options,
      undefined,
      false,
    );
}

function openQueue(name: string, redis: Redis, backend: BackendFactory<RedisQueueBackend>): Queue<JobData> {
  return new Queue<JobData>(
    name,
    {
      connection: redis,
      prefix: BULLMQ_PREFIX,
      defaultJobOptions: JOB_OPTIONS,
      streams: { events: { maxLen: QUEUE_EVENTS } },
    },
    backend,
  );
}

// Without autorun a Worker is only a way to take, lock and finish jobs: no loop, no timer, no blocking connection.
function openWorker(name: string, redis: Redis, backend: BackendFactory<RedisQueueBackend>): Worker<JobData> {
  return new Worker<JobData>(
    name,
    null,
    {
      connection: redis,
      prefix: BULLMQ_PREFIX,
      autorun: false,
      lockDuration: LOCK_MS,
      stalledInterval: STALL_SCAN_MS,
      maxStalledCount: MAX_STALLS,
    },
    backend,
  );
}

function cached<Value>(values: Map<string, Value>, name: string, open: () => Value): Value {
  const known = values.get(name);
  if (known !== undefined) return known;
  const opened = open();
  values.set(name, opened);
  return opened;
}
