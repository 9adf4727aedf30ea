// Cancels a request: a waiting one ends here, a running one is cancelled through its group.
import type { Redis } from 'ioredis';
import { toDomainError } from '../errors/domain-error.ts';
import { keyOf, singleKeys } from '../redis/keys.ts';
import { askRedis } from '../redis/script-errors.ts';
import { runScript } from '../redis/scripts.ts';
import type { BullmqQueues } from './bullmq-queues.ts';
import { decodeQueueName } from './queue-name.ts';

/** `ended`: it had already ended. `removed`: it was waiting and has been ended. `asked`: its group stops it within one step. */
export type CancelResult = 'ended' | 'removed' | 'asked';

/** Cancels a request of `tenant` (null: of any tenant, for operators). Throws `not_found` if that tenant has no such request. */
export async function cancelGeneration(
  redis: Redis,
  queues: BullmqQueues,
  id: string,
  tenant: string | null,
): Promise<CancelResult> {
  const reply = await runScript(redis, 'cancel-generation', [keyOf('job', id)], [id, tenant ?? '']);
  const [done, queue] = Array.isArray(reply) ? reply.map(String) : [];
  if (done === 'removed') await removeJob(queues, String(queue), id);
  return done === 'removed' || done === 'asked' ? done : 'ended';
}

/** Cancels all waiting and running requests of a tenant, for operators. Admission of new ones must have been refused before. */
export async function cancelTenant(redis: Redis, queues: BullmqQueues, tenant: string): Promise<void> {
  const names = await askRedis(redis.smembers(singleKeys.queues));
  for (const name of names.filter((queue) => decodeQueueName(queue).tenant === tenant)) {
    for (const id of await unendedIds(redis, name)) {
      await cancelGeneration(redis, queues, id, tenant).catch(ignoreExpired);
    }
  }
}

/** Read at one moment: between two reads, a request that returns to its queue could be missed. */
async function unendedIds(redis: Redis, queue: string): Promise<readonly string[]> {
  const reading = redis
    .multi()
    .zrange(keyOf('waiting', queue), 0, '-1')
    .zrange(keyOf('running', queue), 0, '-1')
    .exec();
  return ((await askRedis(reading)) ?? []).flatMap(([, ids]) => (Array.isArray(ids) ? ids.map(String) : []));
}

function ignoreExpired(thrown: unknown): void {
  if (toDomainError(thrown).code !== 'not_found') throw thrown;
}

/** Removes the BullMQ job of a request that has ended while it waited. */
export async function removeJob(queues: BullmqQueues, queue: string, id: string): Promise<void> {
  // 0 when a leader has just locked it: that leader then finds the request ended, and removes the job itself.
  await queues.queue(queue).remove(id);
}
