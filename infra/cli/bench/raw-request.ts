// One HTTP request over a connection of its own, as bytes: what a client library does beside sending and receiving would be
// measured as the server's time, on a machine that also computes the answer. In: a URL, headers, a body. Out: the bytes of the
// response with the times at which they came; they are looked at afterwards.
import { once } from 'node:events';
import { connect } from 'node:net';
import { finished } from 'node:stream/promises';
import { DomainError } from '../../errors/domain-error.ts';

export interface Arrival {
  /** Since the request was sent, in ms. */
  readonly atMs: number;
  /** One character a byte. */
  readonly text: string;
}

export interface RawResponse {
  readonly status: number;
  /** The body's pieces in order, as the server's chunks or as they came. */
  readonly body: readonly Arrival[];
}

/** Connects, then starts the clock, sends the request and reads until the server ends the connection. */
export async function rawPost(url: URL, headers: Readonly<Record<string, string>>, body: string): Promise<RawResponse> {
  const socket = connect(Number(url.port), url.hostname);
  socket.setNoDelay();
  await once(socket, 'connect');
  const all = { host: url.host, connection: 'close', ...headers, 'content-length': Buffer.byteLength(body) };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const received: { readonly atMs: number; readonly bytes: Buffer }[] = [];
  const startedMs = performance.now();
  socket.on('data', (bytes) => received.push({ atMs: performance.now() - startedMs, bytes }));
  socket.write(`POST ${url.pathname} HTTP/1.1\r\n${lines.join('')}\r\n${body}`);
  await finished(socket);
  return parseResponse(received.map(({ atMs, bytes }) => ({ atMs, text: bytes.toString('latin1') })));
}

/** Throws DomainError `generation_failed` for what is no HTTP response. */
function parseResponse(arrivals: readonly Arrival[]): RawResponse {
  const head = /^HTTP\/1\.1 (\d{3}) [\s\S]*?\r\n\r\n/.exec(arrivals.map(({ text }) => text).join(''));
  if (head === null) throw new DomainError('generation_failed', 'The server did not answer in HTTP.');
  const body = [...skip(arrivals, head[0].length)];
  const chunked = /\r\ntransfer-encoding: chunked\r\n/i.test(head[0]);
  return { status: Number(head[1]), body: chunked ? [...joinChunks(body)] : body };
}

function* skip(arrivals: readonly Arrival[], count: number): Generator<Arrival> {
  let left = count;
  for (const { atMs, text } of arrivals) {
    if (text.length > left) yield { atMs, text: text.slice(left) };
    left = Math.max(0, left - text.length);
  }
}

/** Chunks of RFC 9112 section 7.1, each with the time at which its last byte came. */
function* joinChunks(arrivals: readonly Arrival[]): Generator<Arrival> {
  let rest = '';
  for (const { atMs, text } of arrivals) {
    rest += text;
    for (;;) {
      const line = rest.indexOf('\r\n');
      const size = Number.parseInt(rest.slice(0, Math.max(0, line)), 16);
      if (line < 0 || !(size > 0) || rest.length < line + 2 + size + 2) break;
      yield { atMs, text: rest.slice(line + 2, line + 2 + size) };
      rest = rest.slice(line + 2 + size + 2);
    }
  }
}
