// Stops a request wherever it is: one that waits ends here, one that runs is asked to stop through its group.
import type { Redis } from 'ioredis';
import { keyOf } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';
import type { BullmqQueues } from './bullmq-queues.ts';

/** `ended`: it had ended before. `removed`: it waited and has ended now. `asked`: its group stops it within one step. */
export type CancelResult = 'ended' | 'removed' | 'asked';

/** Stops a request of `tenant` (null: of any tenant, for operators). Throws `not_found` when that tenant has no such request. */
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

/** Removes the BullMQ job of a request that has ended while it waited. */
export async function removeJob(queues: BullmqQueues, queue: string, id: string): Promise<void> {
  // 0 when a leader has just locked it: that leader then finds the request ended, and removes the job itself.
  await queues.queue(queue).remove(id);
}
