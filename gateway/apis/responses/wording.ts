// Events of a response -> one JSON object, or server-sent events. A response that is kept is stored before its client hears of its
// end: the next request may go on from it.

import { DomainError } from '../../../infra/errors/domain-error.ts';
import type { GatewayParts } from '../../parts.ts';
import { terminalError } from '../../stream/answer-events.ts';
import type { AnswerView } from '../../stream/answer-view.ts';
import type { StreamEntry } from '../../stream/follow-streams.ts';
import type { StreamFormat } from '../../stream/stream-format.ts';
import type { Wording } from '../generations.ts';
import type { PreparedResponse } from './prepare-response.ts';
import { type ResponseEvent, ResponseEvents } from './response-events.ts';
import { type ResponseEnding, responseObject, type StoredResponse } from './stored-response.ts';

/** For responses with a client that waits. */
export function responseWording(parts: GatewayParts): Wording<PreparedResponse> {
  return {
    whole: async (entries, view, prepared) => {
      const stored = ofView(prepared, view);
      const ended = { ...stored, ending: await readEnding(parts, stored, view, entries, true) };
      await keep(parts, ended);
      return responseObject(ended, 'in_progress');
    },
    stream: (view, prepared) => responseFormat(parts, ofView(prepared, view), view, -1),
  };
}

/** A repeated request has the id of the first one. */
function ofView({ stored }: PreparedResponse, { id }: AnswerView): StoredResponse {
  return { ...stored, id };
}

/**
 * Reads a stream to its end.
 * @throws DomainError of the terminal entry if `throwing`, which otherwise is part of the ending; `internal` when it just stops.
 */
export async function readEnding(
  parts: GatewayParts,
  stored: StoredResponse,
  view: AnswerView,
  entries: AsyncIterable<StreamEntry>,
  throwing: boolean,
): Promise<ResponseEnding> {
  const events = new ResponseEvents(stored, view, parts.clock);
  for await (const { event } of entries) {
    const error = event.type === 'end' ? terminalError(event) : undefined;
    if (error !== undefined && throwing) throw error;
    events.take(event);
    if (events.ending !== null) return events.ending;
  }
  throw new DomainError('internal', 'The token stream ended without a terminal entry.');
}

/** The answer is there, so a failure to keep it is only logged. */
async function keep({ responses, log }: GatewayParts, stored: StoredResponse): Promise<void> {
  if (!stored.store) return;
  await responses.put(stored).catch((error: unknown) => {
    log.warn({ err: error, id: stored.id }, 'a response could not be stored');
  });
}

/** The format of a connection whose client has the events up to `after`; -1 for none. */
export function responseFormat(
  parts: GatewayParts,
  stored: StoredResponse,
  view: AnswerView,
  after: number,
): StreamFormat {
  const events = new ResponseEvents(stored, view, parts.clock);
  const write = (all: readonly ResponseEvent[]) =>
    all.map((event) => (event.sequence_number > after ? sse(event) : '')).join('');
  return {
    contentType: 'text/event-stream; charset=utf-8',
    opening: write(events.opening()),
    encode: ({ event }) => {
      const text = write(events.take(event));
      const { ending } = events;
      // In the background, the one that recorded it stores it.
      if (ending === null || stored.background || ending.status === 'failed') return text;
      return keep(parts, { ...stored, ending }).then(() => text);
    },
    failure: (error) => sse(events.failure(error)),
    alive: (comment) => `: ${comment}\n\n`,
  };
}

function sse(event: ResponseEvent): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}
