// What operators may see of jobs: states, times, tokens. Never prompts or completions: `cv:req:` and `cv:out:` are not
// read here.
import type { Redis } from 'ioredis';
import { DomainError } from '../errors/domain-error.ts';
import { type KeyFamily, keyOf, singleKeys } from '../redis/keys.ts';
import { askRedis } from '../redis/script-errors.ts';
import { type GenerationRecord, type GenerationState, parseGenerationRecord } from './generation-record.ts';

export interface JobFilter {
  readonly state: GenerationState;
  /** Null for all queues. */
  readonly queue: string | null;
}

export interface JobPage {
  readonly jobs: readonly GenerationRecord[];
  /** Pass it as `after` to get the next page; null at the end. */
  readonly next: string | null;
  /** Jobs in this state; of ended ones those that are still listed. */
  readonly total: number;
}

interface Listed {
  readonly id: string;
  readonly queue: string;
  readonly atMs: number;
}

const LARGEST_PAGE = 200;
const LISTS: Readonly<Record<GenerationState, KeyFamily>> = { waiting: 'waiting', running: 'running', ended: 'ended' };

/** One job; null when unknown. The caller checks that the tenant may see it. */
export async function readGeneration(redis: Redis, id: string): Promise<GenerationRecord | null> {
  return parseGenerationRecord(id, await askRedis(redis.hgetall(keyOf('job', id))));
}

/**
 * A page of jobs in one state: waiting and running ones oldest first, ended ones newest first.
 * Throws `invalid_request` for a limit outside 1..200 or an `after` that no page returned.
 */
export async function listJobs(
  redis: Redis,
  filter: JobFilter,
  page: { readonly limit: number; readonly after: string | null },
): Promise<JobPage> {
  if (!Number.isInteger(page.limit) || page.limit < 1 || page.limit > LARGEST_PAGE) {
    throw new DomainError(
      'invalid_request',
      `Expected 1 to ${LARGEST_PAGE} for \`limit\` but received ${page.limit}.`,
      {
        param: 'limit',
      },
    );
  }
  const queues = filter.queue === null ? await askRedis(redis.smembers(singleKeys.queues)) : [filter.queue];
  const after = page.after === null ? null : parseCursor(page.after);
  const { listed, total } = await readLists(redis, filter.state, queues, after, page.limit);
  const chosen = listed.slice(0, page.limit);
  const last = chosen.at(-1);
  return {
    jobs: await readRecords(redis, chosen),
    next: listed.length > page.limit && last !== undefined ? `${last.atMs}:${last.id}` : null,
    total,
  };
}

async function readLists(
  redis: Redis,
  state: GenerationState,
  queues: readonly string[],
  after: Cursor | null,
  limit: number,
): Promise<{ readonly listed: readonly Listed[]; readonly total: number }> {
  const commands = redis.pipeline();
  const [first, last] = state === 'ended' ? ['+inf', '-inf'] : ['-inf', '+inf'];
  const read = state === 'ended' ? 'zrevrangebyscore' : 'zrangebyscore';
  for (const queue of queues) {
    const key = keyOf(LISTS[state], queue);
    commands.zcard(key);
    // Those of the cursor's own millisecond, in full, and as many later ones as the page can show.
    commands.zrangebyscore(key, after?.atMs ?? '(0', after?.atMs ?? '(0', 'WITHSCORES');
    commands[read](key, after === null ? first : `(${after.atMs}`, last, 'WITHSCORES', 'LIMIT', 0, limit + 1);
  }
  const replies = ((await askRedis(commands.exec())) ?? []).map(([, reply]) => reply);
  const total = replies.reduce<number>((sum, reply) => sum + (typeof reply === 'number' ? reply : 0), 0);
  const all = queues.flatMap((queue, index) => [
    ...toListed(queue, replies[index * 3 + 1]),
    ...toListed(queue, replies[index * 3 + 2]),
  ]);
  const sign = state === 'ended' ? -1 : 1;
  const ordered = all.sort((a, b) => sign * order(a, b));
  return { total, listed: after === null ? ordered : ordered.filter((one) => sign * order(one, after) > 0) };
}

interface Cursor {
  readonly atMs: number;
  readonly id: string;
}

function order(a: Cursor, b: Cursor): number {
  return a.atMs - b.atMs || (a.id < b.id ? -1 : Number(a.id > b.id));
}

function toListed(queue: string, reply: unknown): Listed[] {
  const parts: unknown[] = Array.isArray(reply) ? reply : [];
  return parts.flatMap((part, index) =>
    index % 2 === 0 ? [{ id: String(part), queue, atMs: Number(parts[index + 1]) }] : [],
  );
}

async function readRecords(redis: Redis, listed: readonly Listed[]): Promise<readonly GenerationRecord[]> {
  const commands = redis.pipeline();
  for (const { id } of listed) commands.hgetall(keyOf('job', id));
  const replies = (await askRedis(commands.exec())) ?? [];
  return listed.flatMap(({ id }, index) => {
    const record = parseGenerationRecord(id, toFields(replies[index]?.[1]));
    return record === null ? [] : [record];
  });
}

function toFields(reply: unknown): Record<string, string> {
  return typeof reply === 'object' && reply !== null ? Object.fromEntries(Object.entries(reply)) : {};
}

function parseCursor(text: string): Cursor {
  const match = /^(\d+):([A-Za-z][A-Za-z0-9_-]*)$/.exec(text);
  if (match === null) {
    throw new DomainError(
      'invalid_request',
      `Expected the \`next\` of an earlier page for \`after\` but received "${text}".`,
      {
        param: 'after',
      },
    );
  }
  return { atMs: Number(match[1]), id: String(match[2]) };
}
