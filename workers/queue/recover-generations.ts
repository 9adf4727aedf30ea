// What a group owned before its leader changed: for the new leader. In: the group's `cv:held`. Out: requests whose locks
// are ours again; the others come back through their queue.
import type { GenerationRequest } from '../../infra/messages/generation-request.ts';
import { keyOf } from '../../infra/redis/keys.ts';
import { askRedis } from '../../infra/redis/script-errors.ts';
import type { TakenGeneration } from './generation-source.ts';
import type { TakeParts } from './take-next.ts';

/** See GenerationSource.recover. */
export async function recoverGenerations(parts: TakeParts): Promise<readonly TakenGeneration[]> {
  const held = Object.entries(await askRedis(parts.redis.hgetall(keyOf('held', parts.group))));
  for (const [id, queue] of held) parts.owned.add(queue, id);
  const lost = new Set(await parts.owned.renew());
  const kept = await Promise.all(held.filter(([id]) => !lost.has(id)).map(([id]) => readTaken(parts, id)));
  return kept.filter((taken) => taken !== null);
}

async function readTaken(parts: TakeParts, id: string): Promise<TakenGeneration | null> {
  const [request, lastSeq, [state, cancel, attempts]] = await askRedis(
    Promise.all([
      parts.redis.get(keyOf('request', id)),
      parts.redis.xlen(keyOf('out', id)),
      parts.redis.hmget(keyOf('job', id), 'state', 'cancel', 'attempts'),
    ]),
  );
  if (request === null || state !== 'running') return null;
  const parsed: GenerationRequest = JSON.parse(request);
  return { request: parsed, lastSeq, cancelled: cancel !== null, attempt: Number(attempts), moreWait: true };
}
