// A client that reads server-sent events byte by byte: sees the ids that the official clients hide, and can leave and
// come back. In: a URL, a key and a body. Out: what arrived.
import assert from 'node:assert/strict';
import { request } from 'undici';

/** What a client has of one stream, over all its connections. */
export class Transcript {
  /** By choice. */
  readonly texts: string[] = [];
  /** Choices that have a finish_reason. */
  readonly finished = new Set<number>();
  /** SSE ids in the order of their arrival. */
  readonly ids: number[] = [];
  /** Comments: keep-alives. */
  readonly comments: string[] = [];
  /** `code` of the error event, '' without one. */
  error = '';
  /** True once `[DONE]` came. */
  done = false;

  /** Text of the first choice. */
  get text(): string {
    return this.texts[0] ?? '';
  }

  get lastId(): number {
    return this.ids.at(-1) ?? 0;
  }

  /** Adds a whole event; an id may neither come twice nor go back. */
  addEvent(event: string): void {
    for (const line of event.split('\n')) {
      if (line.startsWith(': ')) this.comments.push(line.slice(2));
      if (line.startsWith('id: ')) this.#addId(Number(line.slice(4)));
      if (line.startsWith('data: ')) this.#addData(line.slice(6));
    }
  }

  #addId(id: number): void {
    assert.ok(id > this.lastId, `id ${id} came after ${this.lastId}`);
    this.ids.push(id);
  }

  #addData(data: string): void {
    assert.equal(this.done || this.error !== '', false, `after the end: ${data}`);
    if (data === '[DONE]') {
      this.done = true;
      return;
    }
    const chunk = JSON.parse(data);
    this.error = chunk.error?.code ?? '';
    for (const { index, delta, finish_reason: finish } of chunk.choices ?? []) {
      this.texts[index] = (this.texts[index] ?? '') + (delta.content ?? '');
      if (finish !== null) this.finished.add(index);
    }
  }
}

export interface OpenedStream {
  readonly status: number;
  /** The request's id, '' when it was refused. */
  readonly id: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Reads on until `until` says so or the connection ends, also by a failure of the connection. */
  read(until?: () => boolean): Promise<void>;
  /** Hangs up. */
  leave(): void;
}

export interface StreamCall {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly key: string;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Opens a stream whose events go to `transcript`. */
export async function openStream(call: StreamCall, transcript: Transcript): Promise<OpenedStream> {
  const { statusCode, headers, body } = await request(call.url, {
    method: call.method,
    headers: { authorization: `Bearer ${call.key}`, 'content-type': 'application/json', ...call.headers },
    ...(call.body !== undefined && { body: JSON.stringify(call.body) }),
  });
  // The connection may fail while no read is pending.
  body.on('error', () => {});
  const events = splitEvents(body);
  return {
    status: statusCode,
    id: String(headers['conclave-id'] ?? ''),
    headers,
    read: async (until = () => false) => {
      while (!until()) {
        const { done, value } = await events.next();
        if (done === true) return;
        transcript.addEvent(value);
      }
    },
    leave: () => void body.destroy(),
  };
}

/** Whole events; what is left of one when the connection breaks is nothing. */
async function* splitEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for await (const bytes of body) {
      const events = (rest + decoder.decode(bytes, { stream: true })).split('\n\n');
      rest = events.pop() ?? '';
      yield* events;
    }
  } catch {
    // A killed server or hanging up ourselves fails the connection: what counts is what arrived before.
  }
}
