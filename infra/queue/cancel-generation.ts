// Cancels a request: a waiting one ends here, a running one is cancelled through its group.
import type { Redis } from 'ioredis';
import { keyOf } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';
import type { BullmqQueues } from './bullmq-queues.ts';

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

/** Removes the BullMQ job of a request that has ended while it waited. */
export async function removeJob(queues: BullmqQueues, queue: string, id: string): Promise<void> {
  // 0 when a leader has just locked it: that leader then finds the request ended, and removes the job itself.
  await queues.queue(queue).remove(id);
}
