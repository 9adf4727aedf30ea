// What a former leader of this group was about to start when it died: its picks tell in which queues. The jobs go back to
// the front of their queues at once, instead of when their locks have run out. Used by the group's leader only.
import { wakeQueue } from '../../infra/queue/control-queues.ts';
import { fenceText } from '../../infra/queue/finish-generation.ts';
import { keyOf } from '../../infra/redis/keys.ts';
import { askRedis } from '../../infra/redis/script-errors.ts';
import { runScript } from '../../infra/redis/scripts.ts';
import type { TakeParts } from './take-next.ts';

/** Gives jobs back that hold the group's lock without being started, and refunds their picks. Throws `fenced`. */
export async function returnUnstarted(parts: TakeParts): Promise<void> {
  const { redis, model } = parts;
  const key = keyOf('picks', model);
  for (const [pick, value] of Object.entries(await askRedis(redis.hgetall(key)))) {
    const [queue] = value.split(' ');
    if (queue === undefined || !isFormerLeaders(parts, pick)) continue;
    await returnJobs(parts, queue);
    await runScript(redis, 'refund-picks', [key], [model, pick, 0]);
    await wakeQueue(redis, queue);
  }
}

/** See OwnedJobs.nextPickId. */
function isFormerLeaders({ group, fence }: TakeParts, pick: string): boolean {
  return pick.startsWith(`${group}:`) && !pick.startsWith(`${group}:${fenceText(fence())}:`);
}

async function returnJobs({ redis, queues, owned, group }: TakeParts, queue: string): Promise<void> {
  const name = keyOf('bullmq', queue);
  for (const id of await askRedis(redis.lrange(`${name}:active`, 0, '-1'))) {
    const [lock, held] = await askRedis(
      Promise.all([redis.get(`${name}:${id}:lock`), redis.hexists(keyOf('held', group), id)]),
    );
    if (lock !== owned.token || held === 1) continue;
    const job = await queues.queue(queue).getJob(id);
    await job?.moveToWait(owned.token);
  }
}
