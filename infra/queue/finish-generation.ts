// The one way a request ends: writes the terminal entry, settles tokens, frees the slot and tells the followers, once.
// Callers: the fenced writer, the canceller of queued work, the failed handler and the reaper.
import type { Redis } from 'ioredis';
import type { ErrorCode } from '../errors/domain-error.ts';
import { keyOf } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';

/** The writer's right to write: the lease of its group. */
export interface WriterFence {
  readonly group: string;
  readonly epoch: number;
  readonly nonce: string;
}

export interface FinishReason {
  readonly outcome: 'finished' | 'failed' | 'cancelled';
  /** For `failed`: code and a text safe for clients; else null. */
  readonly error: { readonly code: ErrorCode; readonly message: string } | null;
  /** Prompt tokens whose KV came from the prefix cache. */
  readonly cachedTokens: number;
}

export type FinishResult =
  /** This call wrote the terminal entry. */
  | { readonly kind: 'ended'; readonly seq: number }
  /** It had ended before (or is long forgotten): nothing was done. */
  | { readonly kind: 'already-ended' }
  /** A canceller came too late: a group runs it. */
  | { readonly kind: 'running'; readonly group: string }
  /** The stream lacks entries before the terminal one: it ends at `lastSeq`; write the rest, then finish again. */
  | { readonly kind: 'behind'; readonly lastSeq: number };

/** Who finishes: the fenced writer (with the seq of the terminal entry), the canceller of queued work, or a reaper. */
export type FinishAs =
  | { readonly by: 'writer'; readonly fence: WriterFence; readonly seq: number }
  | { readonly by: 'canceller' }
  | { readonly by: 'reaper' };

/** The lease value that scripts compare. */
export function fenceText(fence: Pick<WriterFence, 'epoch' | 'nonce'>): string {
  return `${fence.epoch}:${fence.nonce}`;
}

/** Ends a request. Throws `fenced` when the writer's lease is not the current one or the request is another group's. */
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
