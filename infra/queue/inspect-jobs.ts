// Views of jobs for operators: states, times, token counts. Never reads prompts or completions (`cv:req:`, `cv:out:`).
import type { Redis } from 'ioredis';
import { DomainError } from '../errors/domain-error.ts';
import type { AnswerReading } from '../messages/answer-reading.ts';
import { keyOf } from '../redis/keys.ts';
import { askRedis } from '../redis/script-errors.ts';
import { runScript, toHash } from '../redis/scripts.ts';
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

const LARGEST_PAGE = 200;

/** One job; null when unknown. The caller checks that the tenant may see it. */
export async function readGeneration(redis: Redis, id: string): Promise<GenerationRecord | null> {
  return parseGenerationRecord(id, await askRedis(redis.hgetall(keyOf('job', id))));
}

/** How the answer to a request is read; null if all of its text is content, and for unknown requests. */
export async function readAnswerReading(redis: Redis, id: string): Promise<AnswerReading | null> {
  const json = await askRedis(redis.hget(keyOf('job', id), 'reading'));
  return json === null ? null : JSON.parse(json);
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
  const after = page.after === null ? null : parseCursor(page.after);
  // One more than the page shows, to detect whether there is a next page.
  const scriptArgs = [filter.state, page.limit + 1, filter.queue ?? '', after?.atMs ?? '', after?.id ?? ''];
  const reply = await runScript(redis, 'list-generations', [], scriptArgs);
  const [total, ...parts]: unknown[] = Array.isArray(reply) ? reply : [];
  const listed = toListed(parts);
  const last = listed[page.limit - 1];
  return {
    jobs: listed.slice(0, page.limit).flatMap(({ record }) => (record === null ? [] : [record])),
    next: listed.length > page.limit && last !== undefined ? `${last.atMs}:${last.id}` : null,
    total: Number(total),
  };
}

interface Cursor {
  readonly atMs: number;
  readonly id: string;
}

interface Listed extends Cursor {
  /** Null when it has expired meanwhile. */
  readonly record: GenerationRecord | null;
}

const PARTS_A_REQUEST = 3;

function toListed(parts: readonly unknown[]): readonly Listed[] {
  return Array.from({ length: parts.length / PARTS_A_REQUEST }, (_, index) => {
    const [id, score, fields] = parts.slice(index * PARTS_A_REQUEST, (index + 1) * PARTS_A_REQUEST);
    return { id: String(id), atMs: Number(score), record: parseGenerationRecord(String(id), toHash(fields)) };
  });
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
