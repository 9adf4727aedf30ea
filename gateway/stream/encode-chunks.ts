// Token stream entries -> text of server-sent events in OpenAI's chunk shapes. In: entries in order, from the first one.
// Out: event text, '' for what the client already has. Keeps a few numbers per stream, does no I/O.
//
// One entry makes at most one event that adds text, and that event carries the entry's seq as SSE id: wherever the
// connection breaks, the last id that arrived says exactly what the client has. (Hence a choice's last text and its
// finish_reason share a chunk.) A resumed stream replays the state silently up to the client's id.

import type { DomainError } from '../../infra/errors/domain-error.ts';
import type { TokensEvent } from '../../infra/messages/token-event.ts';
import { errorBody } from '../errors/error-to-http.ts';
import { beyondEnd } from '../request/read-client-headers.ts';
import { type AnswerEvent, type ChoiceEvent, createAnswerEvents } from './answer-events.ts';
import { type AnswerView, usageObject } from './answer-view.ts';
import { createChatDelta } from './chat-delta.ts';
import type { StreamEntry } from './follow-streams.ts';
import { chatLogprobs, textLogprobs } from './render-logprobs.ts';

export interface ChunkOptions extends AnswerView {
  /** Ends with a usage chunk; all others have `usage: null`. */
  readonly includeUsage: boolean;
  /** The last seq that the client has; 0 for a fresh stream. */
  readonly afterSeq: number;
}

export type ChunkEncoder = (entry: StreamEntry) => string;

/** An encoder for one connection. */
export function createChunkEncoder(options: ChunkOptions): ChunkEncoder {
  const frame = chunkFrame(options);
  const read = createAnswerEvents(options.id, options.kind === 'chat' ? options.reading : null);
  const choiceEvent = options.kind === 'chat' ? chatChoices(options, frame) : textChoices(options, frame);
  return ({ seq, event }) => {
    const events = read(event);
    const last = events.at(-1);
    if (last?.type === 'end') return terminalEvents(options, frame, seq, last);
    const text = choiceEvent(seq, event as TokensEvent, events as readonly ChoiceEvent[]);
    return seq > options.afterSeq ? text : '';
  };
}

/** The event that ends a stream which cannot go on; without an id, as it reflects no entry. */
export function failureEvent(error: DomainError): string {
  return `event: error\ndata: ${JSON.stringify(errorBody(error))}\n\n`;
}

type Frame = (id: string, choices: string, usage?: string) => string;

/** Everything around the choices is the same in all chunks of a stream and is written once. */
function chunkFrame({ id, kind, created, model, fingerprint, includeUsage }: ChunkOptions): Frame {
  const object = kind === 'chat' ? 'chat.completion.chunk' : 'text_completion';
  const head = JSON.stringify({ id, object, created, model, system_fingerprint: fingerprint }).slice(0, -1);
  const tail = includeUsage ? ',"usage":null' : '';
  return (eventId, choices, usage) => {
    const end = usage === undefined ? tail : `,"usage":${usage}`;
    return `${eventId}data: ${head},"choices":[${choices}]${end}}\n\n`;
  };
}

type ChoiceEncoder = (seq: number, entry: TokensEvent, events: readonly ChoiceEvent[]) => string;

/** What an entry adds stands in one chunk, behind the one that names the role. */
function chatChoices({ tokenBytes, reading }: AnswerView, frame: Frame): ChoiceEncoder {
  const deltaOf = createChatDelta(reading?.legacyFunctions === true);
  return (seq, { choice, finish }, events) => {
    const isFirst = events.some(({ type }) => type === 'start');
    const role = isFirst ? frame('', chatChoice(choice, '{"role":"assistant","content":""}', 'null', 'null')) : '';
    const { delta, finishReason } = deltaOf(events);
    const shown = events.find((event) => event.type === 'logprobs');
    if (delta === '{}' && finish === null && (shown?.logprobs.length ?? 0) === 0) return role;
    const logprobs = shown === undefined ? 'null' : JSON.stringify(chatLogprobs(shown.logprobs, tokenBytes));
    return role + frame(`id: ${seq}\n`, chatChoice(choice, delta, logprobs, JSON.stringify(finishReason)));
  };
}

function chatChoice(index: number, delta: string, logprobs: string, finish: string): string {
  return `{"index":${index},"delta":${delta},"logprobs":${logprobs},"finish_reason":${finish}}`;
}

function textChoices(view: AnswerView, frame: Frame): ChoiceEncoder {
  return (seq, { choice, text, logprobs, finish }) => {
    // Nothing to show yet: the text is held back, for instance because it may become a stop string.
    if (text === '' && logprobs === null && finish === null) return '';
    const shape = logprobs === null ? null : textLogprobs(logprobs, view.tokenBytes);
    return frame(`id: ${seq}\n`, JSON.stringify({ text, index: choice, logprobs: shape, finish_reason: finish }));
  };
}

/** Repeats the end of a stream to a client that resumes after it. */
function terminalEvents(options: ChunkOptions, frame: Frame, seq: number, end: Extract<AnswerEvent, { type: 'end' }>) {
  const id = `id: ${seq}\n`;
  // While it runs, a stream may be behind its client, after Redis lost its last second; once it has ended it is not.
  const error = end.error ?? beyondEnd(options.afterSeq, seq);
  if (error !== undefined) return id + failureEvent(error);
  const wanted = options.includeUsage && seq > options.afterSeq;
  const usage = wanted ? frame('', '', JSON.stringify(usageObject(end.usage))) : '';
  return `${usage}${id}data: [DONE]\n\n`;
}
