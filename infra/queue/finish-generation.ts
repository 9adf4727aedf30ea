// Ends a request, exactly once: writes the terminal entry, settles the reserved tokens, frees the slot and notifies followers.
// Callers: the fenced writer, the cancellation of queued work, the handler of failed jobs and the reaper.
import type { Redis } from 'ioredis';
import type { ErrorCode } from '../errors/domain-error.ts';
import { keyOf } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';

/** Fencing token of a writer: the lease of its group. */
export interface WriterFence {
  readonly group: string;
  readonly epoch: number;
  readonly nonce: string;
}

export interface FinishReason {
  readonly outcome: 'finished' | 'failed' | 'cancelled';
  /** For `failed`: a code and a message that is safe for clients; otherwise null. */
  readonly error: { readonly code: ErrorCode; readonly message: string } | null;
  /** Prompt tokens whose KV came from the prefix cache. */
  readonly cachedTokens: number;
}

export type FinishResult =
  /** This call wrote the terminal entry. */
  | { readonly kind: 'ended'; readonly seq: number }
  /** The request had already ended or expired; nothing was changed. */
  | { readonly kind: 'already-ended' }
  /** The request cannot be cancelled as queued work, because a group is running it. */
  | { readonly kind: 'running'; readonly group: string }
  /** The stream ends at `lastSeq`, before the entry that precedes the terminal one: write the missing entries, then retry. */
  | { readonly kind: 'behind'; readonly lastSeq: number };

/** The caller: the fenced writer with the seq of the terminal entry, the canceller of queued work, or the reaper. */
export type FinishAs =
  | { readonly by: 'writer'; readonly fence: WriterFence; readonly seq: number }
  | { readonly by: 'canceller' }
  | { readonly by: 'reaper' };

/** The lease value that scripts compare with the stored one. */
export function fenceText(fence: Pick<WriterFence, 'epoch' | 'nonce'>): string {
  return `${fence.epoch}:${fence.nonce}`;
}

/** Ends a request. Throws `fenced` if the writer's lease is not current or another group owns the request. */
export async function finishGeneration(
  redis: Redis,
  id: string,
  reason: FinishReason,
  as: FinishAs,
): Promise<FinishResult> {
  const writer = as.by === 'writer' ? [fenceText(as.fence), as.fence.group, as.seq] : [];
  const error = JSON.stringify(reason.error);
  const reply = await runScript(
    redis,
    'finish-generation',
    [keyOf('job', id)],
    [id, reason.outcome, error, reason.cachedTokens, as.by, ...writer],
  );
  return parseFinish(reply);
}

function parseFinish(reply: unknown): FinishResult {
  const [kind, detail] = Array.isArray(reply) ? reply : [];
  if (kind === 1) return { kind: 'ended', seq: Number(detail) };
  if (kind === 2) return { kind: 'running', group: String(detail) };
  if (kind === 3) return { kind: 'behind', lastSeq: Number(detail) };
  return { kind: 'already-ended' };
}
