// Responses in the background: the gateway that follows one to its end stores the ending. That is the one that queued it; if that is
// gone, any gateway does it from the token stream, when a client asks or on its rounds.
import { DomainError, toDomainError } from '../../../infra/errors/domain-error.ts';
import { type Repeating, repeatEvery } from '../../../infra/timing/repeat-every.ts';
import type { GatewayParts } from '../../parts.ts';
import type { Entries } from '../../stream/answer-generation.ts';
import type { AnswerView } from '../../stream/answer-view.ts';
import { failedEnding, type StoredResponse } from './stored-response.ts';
import { readEnding } from './wording.ts';

/** Follows a response that was just queued. Its failures are those of Redis or of a gateway that closes, and others mend them. */
export function recordInBackground(
  parts: GatewayParts,
  stored: StoredResponse,
  view: AnswerView,
  entries: Entries,
): void {
  record(parts, stored, view, entries).catch((error: unknown) => {
    parts.log.warn({ err: error, id: stored.id }, 'a response in the background is not followed any more');
  });
}

async function record(parts: GatewayParts, stored: StoredResponse, view: AnswerView, entries: Entries) {
  const ending = await readEnding(parts, stored, view, entries(new AbortController().signal), false);
  return keepFirst(parts, { ...stored, ending });
}

/** Does not replace an ending, nor bring back what its owner deleted. */
async function keepFirst({ responses }: GatewayParts, ended: StoredResponse): Promise<StoredResponse> {
  const present = await responses.find(ended.id, ended.tenant);
  if (present.ending !== null) return present;
  await responses.put(ended);
  return ended;
}

/** A view of the answer, from what is stored. */
export async function storedView(
  parts: GatewayParts,
  { id, createdAtMs, request }: StoredResponse,
): Promise<AnswerView> {
  const served = await parts.models.find(request.model);
  return {
    id,
    kind: 'chat',
    created: Math.floor(createdAtMs / 1000),
    model: request.model,
    fingerprint: served?.fingerprint ?? null,
    reading: await parts.findReading(id),
    tokenBytes: (token) => served?.tokenBytes(token) ?? new Uint8Array(),
  };
}

export interface LiveResponse {
  readonly stored: StoredResponse;
  readonly status: 'queued' | 'in_progress';
}

/** A response as it is now. */
export async function currentResponse(parts: GatewayParts, stored: StoredResponse): Promise<LiveResponse> {
  if (stored.ending !== null) return { stored, status: 'in_progress' };
  const record = await parts.findGeneration(stored.id);
  if (record?.state === 'waiting') return { stored, status: 'queued' };
  if (record?.state === 'running') return { stored, status: 'in_progress' };
  return { stored: await settle(parts, stored, record !== null), status: 'in_progress' };
}

async function settle(parts: GatewayParts, stored: StoredResponse, hasStream: boolean): Promise<StoredResponse> {
  if (!hasStream) return keepFirst(parts, { ...stored, ending: lostEnding(parts) });
  const view = await storedView(parts, stored);
  return record(parts, stored, view, (signal) => parts.streams.follow(stored.id, 1, signal));
}

function lostEnding({ clock }: GatewayParts) {
  return failedEnding(new DomainError('unavailable', 'The request was lost. Send it again.'), [], clock());
}

const ROUND_MS = 10_000;
/** A response is stored before it is queued. */
const QUEUED_WITHIN_MS = 60_000;

/** Settles what has ended without a follower. */
export function startSettling(parts: GatewayParts, onProblem: (problem: unknown) => void): Repeating {
  return repeatEvery(
    ROUND_MS,
    async () => {
      for (const stored of await parts.responses.open()) {
        if (stored.createdAtMs > parts.clock() - QUEUED_WITHIN_MS) continue;
        await currentResponse(parts, stored).catch((error: unknown) => ignoreGone(error));
      }
    },
    onProblem,
  );
}

function ignoreGone(error: unknown): void {
  if (toDomainError(error).code !== 'not_found') throw error;
}
