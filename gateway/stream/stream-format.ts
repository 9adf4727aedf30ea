// How an API words a stream. Each API has one; everything else about a stream is the same for all.
import type { DomainError } from '../../infra/errors/domain-error.ts';
import { type ChunkOptions, createChunkEncoder, failureEvent } from './encode-chunks.ts';
import type { StreamEntry } from './follow-streams.ts';

export interface StreamFormat {
  readonly contentType: string;
  /** Sent at once, before the first entry. */
  readonly opening?: string;
  /** Text for an entry, '' for none. Entries come in order, from the first one. A promise delays what follows. */
  readonly encode: (entry: StreamEntry) => string | Promise<string>;
  /** Ends a stream that cannot go on. */
  readonly failure: (error: DomainError) => string;
  /** Shows a waiting client that the connection lives; '' where the format has no place for that. */
  readonly alive: (comment: string) => string;
}

/** Server-sent events. */
const EVENT_STREAM = 'text/event-stream; charset=utf-8';

/** OpenAI's chunks. */
export function chunkFormat(options: ChunkOptions): StreamFormat {
  return {
    contentType: EVENT_STREAM,
    encode: createChunkEncoder(options),
    failure: failureEvent,
    alive: (comment) => `: ${comment}\n\n`,
  };
}
