// Background care for a model's queues: jobs of dead groups go back to wait, queues with work become ready. Any number of
// leaders may do it at the same time.
import type { Redis } from 'ioredis';
import { type BullmqQueues, STALL_SCAN_MS } from '../../infra/queue/bullmq-queues.ts';
import { decodeQueueName } from '../../infra/queue/queue-name.ts';
import { keyOf, singleKeys } from '../../infra/redis/keys.ts';
import { askRedis } from '../../infra/redis/script-errors.ts';
import { runScript } from '../../infra/redis/scripts.ts';
import { type Repeating, repeatEvery } from '../../infra/timing/repeat-every.ts';

export interface QueueMaintenanceOptions {
  readonly redis: Redis;
  readonly queues: BullmqQueues;
  readonly model: string;
  readonly onProblem: (problem: unknown) => void;
}

const QUEUES_A_SCRIPT = 200;

/** Tends until stopped. */
export function startQueueMaintenance(options: QueueMaintenanceOptions): Repeating {
  return repeatEvery(STALL_SCAN_MS, () => maintainQueues(options), options.onProblem);
}

/** One round. BullMQ marks active jobs in one round; in the next it moves those whose lock was not renewed meanwhile. */
export async function maintainQueues(options: QueueMaintenanceOptions): Promise<void> {
  const { redis, queues, model } = options;
  const all = await askRedis(redis.smembers(singleKeys.queues));
  const names = all.filter((name) => decodeQueueName(name).model === model);
  for (const name of await withActiveJobs(redis, names)) {
    await queues.worker(name).getBackend().moveStalledJobsToWait();
  }
  for (let first = 0; first < names.length; first += QUEUES_A_SCRIPT) {
    const some = names.slice(first, first + QUEUES_A_SCRIPT);
    await runScript(redis, 'wake-queues', [keyOf('wake', model)], [model, ...some]);
  }
}

async function withActiveJobs(redis: Redis, names: readonly string[]): Promise<readonly string[]> {
  const commands = redis.pipeline();
  for (const name of names) commands.llen(`${keyOf('bullmq', name)}:active`);
  const replies = (await askRedis(commands.exec())) ?? [];
  return names.filter((_name, index) => Number(replies[index]?.[1]) > 0);
}
