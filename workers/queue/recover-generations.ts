// What a group owned before its leader changed: for the new leader. In: the group's `cv:held`. Out: requests whose locks
// are ours again; the others come back through their queue.
import { readStoredRequest } from '../../infra/messages/generation-request.ts';
import { fenceText, finishGeneration } from '../../infra/queue/finish-generation.ts';
import { LOCK_MS } from '../../infra/redis/bullmq-scripts.ts';
import { keyOf } from '../../infra/redis/keys.ts';
import { runScript } from '../../infra/redis/scripts.ts';
import type { TakeParts } from './take-next.ts';
import type { TakenGeneration } from './taken-generation.ts';

/** This many leaders in a row may lose a request without adding a token; the next one ends it. */
const FRUITLESS_LEADERS = 3;

const LOST_TOO_OFTEN = {
  outcome: 'failed',
  error: {
    code: 'generation_failed',
    message:
      'The worker died repeatedly while it ran this request. Retry; if it fails again, tell the operator the request id.',
  },
  cachedTokens: 0,
} as const;

/**
 * Requests that the group owns and this process does not have. `isNew`: this leader has just started, which counts as an
 * attempt; otherwise it may have missed jobs that were handed to its group.
 */
export async function recoverGenerations(parts: TakeParts, isNew: boolean): Promise<readonly TakenGeneration[]> {
  const recovered: TakenGeneration[] = [];
  for (const [queue, id, request, lastSeq, cancelled, attempt, inherited] of await inherit(parts, isNew)) {
    if (parts.owned.has(String(id))) continue;
    parts.owned.add(String(queue), String(id));
    if (Number(inherited) > FRUITLESS_LEADERS) await failLost(parts, String(id));
    else {
      recovered.push({
        request: readStoredRequest(String(request)),
        lastSeq: Number(lastSeq),
        cancelled: cancelled === 1,
        attempt: Number(attempt),
        moreWait: true,
      });
    }
  }
  return recovered;
}

const PARTS_A_REQUEST = 7;

async function inherit(parts: TakeParts, isNew: boolean): Promise<readonly (readonly unknown[])[]> {
  const { redis, owned, group, fence } = parts;
  const scriptArgs = [fenceText(fence()), group, owned.token, LOCK_MS, isNew ? 1 : 0];
  const reply = await runScript(redis, 'inherit-generations', [keyOf('lease', group)], scriptArgs);
  const found: unknown[] = Array.isArray(reply) ? reply.slice(1) : [];
  return Array.from({ length: found.length / PARTS_A_REQUEST }, (_, index) =>
    found.slice(index * PARTS_A_REQUEST, (index + 1) * PARTS_A_REQUEST),
  );
}

async function failLost(parts: TakeParts, id: string): Promise<void> {
  await finishGeneration(parts.redis, id, LOST_TOO_OFTEN, { by: 'reaper' });
  await parts.owned.done(id, LOST_TOO_OFTEN.error.message);
}
