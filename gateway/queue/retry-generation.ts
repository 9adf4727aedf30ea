// An operator's retry: the stored request of one that failed goes through the queue again, under a new id, because the
// token stream of the old one is terminal.
import type { Redis } from 'ioredis';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { type GenerationRequest, readStoredRequest } from '../../infra/messages/generation-request.ts';
import { readGeneration } from '../../infra/queue/inspect-jobs.ts';
import { keyOf } from '../../infra/redis/keys.ts';
import { askRedis } from '../../infra/redis/script-errors.ts';
import type { Enqueued, GenerationQueue } from './enqueue-generation.ts';

/** Throws `not_found` for an unknown id, `conflict` unless the request failed, and the errors of enqueue. */
export async function retryGeneration(
  redis: Redis,
  queue: GenerationQueue,
  id: string,
  fresh: { readonly id: string; readonly nowMs: number; readonly waitingLimit: number },
): Promise<Enqueued> {
  const record = await readGeneration(redis, id);
  const stored = await askRedis(redis.get(keyOf('request', id)));
  if (record === null) throw new DomainError('not_found', 'No request has this id, or it has expired.');
  if (record.outcome !== 'failed' || stored === null) {
    throw new DomainError('conflict', 'Only a request that failed within the last ten minutes can be retried.');
  }
  const request: GenerationRequest = {
    ...readStoredRequest(stored),
    id: fresh.id,
    createdAtMs: fresh.nowMs,
    resumeSeconds: 0,
  };
  return queue.enqueue({ request, waitingLimit: fresh.waitingLimit, idempotency: null });
}
