// The one path of a generation, whichever API asked for it: admit, prepare, queue, answer. An API says how its body becomes a
// request (`prepare`) and how its answer is worded (`Wording`).
import { inSpan, readTraceparent } from '../../infra/trace/trace-context.ts';
import type { Caller } from '../auth/principal.ts';
import type { GatewayContext } from '../environment.ts';
import type { GatewayParts } from '../parts.ts';
import { createWeightSync, type WeightSync } from '../queue/sync-weight.ts';
import { admitGeneration } from '../request/admit-generation.ts';
import type { PreparedGeneration } from '../request/prepare-generation.ts';
import { readRequestId } from '../request/request-id.ts';
import { answerWithJson, answerWithStream, type Entries } from '../stream/answer-generation.ts';
import type { AnswerView } from '../stream/answer-view.ts';
import type { StreamEntry } from '../stream/follow-streams.ts';
import type { StreamFormat } from '../stream/stream-format.ts';

export type Prepare<P extends PreparedGeneration> = (
  parts: GatewayParts,
  c: GatewayContext,
  caller: Caller,
) => Promise<P>;

/** How an API words its answers. */
export interface Wording<P extends PreparedGeneration> {
  /** Reads a stream to its end. @throws DomainError when generation failed or was cancelled. */
  whole(entries: AsyncIterable<StreamEntry>, view: AnswerView, prepared: P): Promise<object>;
  stream(view: AnswerView, prepared: P): StreamFormat;
}

/** A queued generation with its answer to come. */
export interface QueuedAnswer {
  readonly view: AnswerView;
  readonly entries: Entries;
  /** Whether the answer is that of an earlier request with the same Idempotency-Key, whose id the view has. */
  readonly repeated: boolean;
}

export interface Generations {
  /** Answers a request for a generation. @throws DomainError for anything wrong with it. */
  answer<P extends PreparedGeneration>(c: GatewayContext, prepare: Prepare<P>, wording: Wording<P>): Promise<Response>;
  /** The part of it that comes after preparing. @throws DomainError as `enqueue`, and if generation fails. */
  respond<P extends PreparedGeneration>(
    c: GatewayContext,
    caller: Caller,
    prepared: P,
    wording: Wording<P>,
  ): Promise<Response>;
  /** Queues. @throws DomainError `queue_full`, `conflict` or `unavailable`. */
  enqueue(c: GatewayContext, caller: Caller, prepared: PreparedGeneration): Promise<QueuedAnswer>;
}

/** To be created once: it remembers which weights the queues know. */
export function createGenerations(parts: GatewayParts): Generations {
  const syncWeight = createWeightSync(parts.operations.control);
  const enqueue = async (c: GatewayContext, caller: Caller, prepared: PreparedGeneration) => {
    const { id, repeated, entries } = await enqueueExpected(parts, c, caller, prepared);
    await syncTenantWeight(parts, caller, prepared.model.name, syncWeight);
    if (repeated) c.header('conclave-repeated', 'true');
    c.set('generation', { id, endUser: prepared.endUser, repeated });
    return { view: answerView(id, prepared), entries, repeated };
  };
  const respond: Generations['respond'] = async (c, caller, prepared, wording) => {
    const { view, entries } = await enqueue(c, caller, prepared);
    if (prepared.stream) {
      return answerWithStream(parts, c, { view, entries, format: wording.stream(view, prepared), afterSeq: 0 });
    }
    return answerWithJson(parts, c, view, entries, (seen) => wording.whole(seen, view, prepared));
  };
  return {
    enqueue,
    respond,
    answer: async (c, prepare, wording) => {
      const caller = await admitGeneration(parts, c);
      return respond(c, caller, await prepare(parts, c, caller), wording);
    },
  };
}

/** Its entries are expected before it is queued: the first one may come before the answer to that. */
async function enqueueExpected(parts: GatewayParts, c: GatewayContext, caller: Caller, prepared: PreparedGeneration) {
  const expected = parts.streams.expect(prepared.request.id);
  const enqueued = await addToQueue(parts, c, caller, prepared).catch((error: unknown) => {
    expected.forget();
    throw error;
  });
  if (!enqueued.repeated) return { ...enqueued, entries: (signal: AbortSignal) => expected.follow(signal) };
  expected.forget();
  const entries: Entries = (signal) => parts.streams.follow(enqueued.id, 1, signal);
  return { ...enqueued, entries };
}

/** The queue's span context goes into the request, so a worker's spans hang below this hop. */
function addToQueue(parts: GatewayParts, c: GatewayContext, { policy }: Caller, prepared: PreparedGeneration) {
  const { request, idempotency } = prepared;
  return inSpan('enqueue', readTraceparent(c.req.header('traceparent')), (traceparent) =>
    parts.queue.enqueue({
      request: Object.freeze({ ...request, traceparent }),
      waitingLimit: policy.maxWaiting,
      idempotency,
    }),
  );
}

/** A failure does not affect the request: the next one sends the weight again. */
async function syncTenantWeight(
  parts: GatewayParts,
  { principal, policy }: Caller,
  model: string,
  syncWeight: WeightSync,
) {
  await syncWeight(model, principal.tenant, policy.weight).catch((error: unknown) => {
    parts.log.warn({ err: error }, 'the weight of a tenant could not be updated in Redis');
  });
}

/** A repeated request answers under the id and the time of the first one. */
function answerView(id: string, { kind, model, request }: PreparedGeneration): AnswerView {
  const createdAtMs = readRequestId(id)?.createdAtMs ?? request.createdAtMs;
  const tokenBytes = (token: number) => model.tokenBytes(token);
  return {
    id,
    kind: kind === 'text' ? 'text' : 'chat',
    created: Math.floor(createdAtMs / 1000),
    model: model.name,
    fingerprint: model.fingerprint,
    reading: request.reading ?? null,
    tokenBytes,
  };
}
