// A queued generation -> the HTTP response: an event stream, or one JSON answer once it ended. A client that leaves stops
// being followed, and what that means for the request is the queue's business.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { GatewayContext } from '../environment.ts';
import type { GatewayParts } from '../parts.ts';
import type { AnswerView } from './answer-view.ts';
import type { StreamEntry } from './follow-streams.ts';
import { openSseBody, timedOut } from './open-sse-body.ts';
import type { StreamFormat } from './stream-format.ts';
import { watchProgress } from './watch-progress.ts';

const STREAM_HEADERS = {
  'cache-control': 'no-cache, no-transform',
  // Proxies (nginx) that would gather the events otherwise.
  'x-accel-buffering': 'no',
} as const;

/** Entries of a stream; aborting the signal leaves it. */
export type Entries = (signal: AbortSignal) => AsyncIterable<StreamEntry>;

export interface StreamAnswerOptions {
  readonly view: AnswerView;
  readonly entries: Entries;
  readonly format: StreamFormat;
  /** The last seq that the client has; 0 for a fresh stream. */
  readonly afterSeq: number;
}

/** Answers with a stream; the response starts at once. */
export function answerWithStream(parts: GatewayParts, c: GatewayContext, options: StreamAnswerOptions): Response {
  const { view, entries, format, afterSeq } = options;
  const { config, log, metrics } = parts;
  const watch = watchProgress(parts, watched(c, view));
  metrics.streamOpened();
  const body = openSseBody({
    entries,
    format: {
      ...format,
      encode: (entry) => {
        if (entry.seq > afterSeq) watch(entry);
        return format.encode(entry);
      },
    },
    keepAliveMs: config.stream.keepAliveSeconds * 1000,
    comment: () => describeWait(parts, view),
    timeoutMs: config.limits.answerSeconds * 1000,
    onEnd: (error) => {
      metrics.streamClosed();
      if (error === undefined || error.code === 'cancelled') return;
      metrics.error('gateway', error.code);
      log.error({ id: view.id, err: error }, 'a stream failed');
    },
  });
  return c.body(body, 200, { 'content-type': format.contentType, ...STREAM_HEADERS, 'conclave-id': view.id });
}

/** Answers with JSON after the end. @throws DomainError when generation fails, is cancelled or takes too long. */
export async function answerWithJson(
  parts: GatewayParts,
  c: GatewayContext,
  view: AnswerView,
  entries: Entries,
  collect: (entries: AsyncIterable<StreamEntry>) => Promise<object>,
): Promise<Response> {
  const stop = new AbortController();
  const leave = () => stop.abort(new DomainError('cancelled', 'The client disconnected.'));
  const client = c.req.raw.signal;
  if (client.aborted) leave();
  client.addEventListener('abort', leave);
  const deadline = setTimeout(() => stop.abort(timedOut()), parts.config.limits.answerSeconds * 1000);
  const seen = observed(entries(stop.signal), watchProgress(parts, watched(c, view)));
  try {
    return c.json(await collect(seen), 200, { 'conclave-id': view.id });
  } catch (error) {
    throw stop.signal.aborted ? stop.signal.reason : error;
  } finally {
    clearTimeout(deadline);
    client.removeEventListener('abort', leave);
  }
}

async function* observed(entries: AsyncIterable<StreamEntry>, watch: (entry: StreamEntry) => void) {
  for await (const entry of entries) {
    watch(entry);
    yield entry;
  }
}

function watched(c: GatewayContext, view: AnswerView) {
  const { tenant } = c.get('principal');
  return { id: view.id, tenant, model: view.model, acceptedAtMs: c.get('startedAtMs') };
}

/** One line for a client that waits: where it stands in its queue, or that its answer is worked on or waits for nodes. */
async function describeWait(parts: GatewayParts, { id, model }: AnswerView): Promise<string> {
  const waiting = (await parts.queue.positions([id])).get(id);
  if (waiting === undefined) return (await isWaitingForNodes(parts, model)) ? 'waiting for nodes' : 'generating';
  const wait = waiting.waitMs === null ? '' : ` estimated_wait_seconds=${Math.ceil(waiting.waitMs / 1000)}`;
  return `queued position=${waiting.position}${wait}`;
}

/** True if the model's nodes report that they cannot compute. The details are for operators only. */
async function isWaitingForNodes({ operations }: GatewayParts, model: string): Promise<boolean> {
  const leaders = (await operations.nodes()).filter((node) => node.model === model && node.role === 'leader');
  return leaders.length > 0 && leaders.every(({ waitsFor }) => waitsFor !== '');
}
