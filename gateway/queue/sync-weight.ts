// Tells the dispatcher a tenant's weight when it first matters on this gateway and whenever it changed. The tenant's record
// is the truth; queues only hold a copy, made here.
import type { QueueControl } from '../../infra/queue/control-queues.ts';
import { encodeQueueName } from '../../infra/queue/queue-name.ts';

/** Bound of the cache of weights already sent; a miss costs only a round trip. */
const MAX_REMEMBERED = 10_000;

export type WeightSync = (model: string, tenant: string, weight: number) => Promise<void>;

/** To be called after a request was queued: before the first one there is no queue. The usual request costs nothing. */
export function createWeightSync(control: Pick<QueueControl, 'setWeight'>): WeightSync {
  const told = new Map<string, number>();
  return async (model, tenant, weight) => {
    const queue = encodeQueueName({ model, tenant });
    if (told.get(queue) === weight) return;
    await control.setWeight(queue, weight);
    if (told.size >= MAX_REMEMBERED) told.clear();
    told.set(queue, weight);
  };
}
