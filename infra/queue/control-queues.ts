// Changes that operators make to queues and jobs: pause, resume, drain, weigh, cancel. In: names of queues, ids, tenants.
import type { Redis } from 'ioredis';
import { DomainError } from '../errors/domain-error.ts';
import { MAX_WEIGHT, MIN_WEIGHT, WEIGHT_RANGE } from '../redis/fair-limits.ts';
import { keyOf, singleKeys } from '../redis/keys.ts';
import { askRedis } from '../redis/script-errors.ts';
import { runScript } from '../redis/scripts.ts';
import { bullmqQueues } from './bullmq-queues.ts';
import { cancelGeneration, cancelTenant } from './cancel-generation.ts';
import { decodeQueueName } from './queue-name.ts';

export interface QueueControl {
  /** No job of this queue is dispatched any more; running ones go on. Survives restarts. */
  pause(queue: string): Promise<void>;
  resume(queue: string): Promise<void>;
  /** Refuses new requests (`unavailable`) while on; deletes nothing. */
  setDraining(queue: string, on: boolean): Promise<void>;
  /** Share relative to other tenants, 0.001 to 1000; 1 is the default. Throws `invalid_request`. */
  setWeight(queue: string, weight: number): Promise<void>;
  /** Stops a request of any tenant, waiting or running; false when it had ended. Throws `not_found`. */
  cancel(id: string): Promise<boolean>;
  /** Cancels all waiting and running requests of a tenant. */
  cancelTenant(tenant: string): Promise<void>;
  close(): Promise<void>;
}

/** Control over the queues of one durable Redis. Every call throws `not_found` for a queue that never had a request. */
export function controlQueues(redis: Redis): QueueControl {
  const queues = bullmqQueues(redis);
  const known = async (name: string): Promise<string> => {
    if ((await askRedis(redis.sismember(singleKeys.queues, name))) === 1) return name;
    throw new DomainError('not_found', `No queue is named "${name}".`, { param: 'queue' });
  };
  return {
    pause: async (name) => askRedis(queues.queue(await known(name)).pause()),
    resume: async (name) => {
      await askRedis(queues.queue(await known(name)).resume());
      await wakeQueue(redis, name);
    },
    setDraining: async (name, on) => {
      const queue = await known(name);
      await askRedis(on ? redis.sadd(singleKeys.drain, queue) : redis.srem(singleKeys.drain, queue));
    },
    setWeight: async (name, weight) => setWeight(redis, await known(name), weight),
    cancel: async (id) => (await cancelGeneration(redis, queues, id, null)) !== 'ended',
    cancelTenant: (tenant) => cancelTenant(redis, queues, tenant),
    close: () => queues.close(),
  };
}

/** Makes a queue ready for dispatch again when it has jobs. */
export async function wakeQueue(redis: Redis, queue: string): Promise<void> {
  const { model } = decodeQueueName(queue);
  await runScript(redis, 'wake-queues', [keyOf('wake', model)], [model, queue]);
}

async function setWeight(redis: Redis, queue: string, weight: number): Promise<void> {
  if (!(weight >= MIN_WEIGHT && weight <= MAX_WEIGHT)) {
    const message = `Expected ${WEIGHT_RANGE} for \`weight\` but received ${weight}.`;
    throw new DomainError('invalid_request', message, { param: 'weight' });
  }
  const { model } = decodeQueueName(queue);
  await runScript(redis, 'set-weight', [keyOf('fair', model)], [model, queue, weight]);
}
