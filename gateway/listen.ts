// The app behind a Node server: limits that only the server can set, and a shutdown that leaves no client with a cut answer.
import { createServer, type RequestListener, type Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import type { Config } from '../infra/config/config-schema.ts';
import { DomainError } from '../infra/errors/domain-error.ts';
import type { Logger } from '../infra/log/logger.ts';
import { createMalformedRefusals } from './refuse-malformed.ts';

export interface RunningServer {
  /** `http://host:port` with the port that was really taken. */
  readonly url: string;
  /**
   * Accepts nothing more and waits for running answers, at most `drainMs`. Then `leave` is called, which must end the streams
   * that are still open, and what is open after that is closed.
   */
  shutDown(drainMs: number, leave: () => Promise<void>): Promise<void>;
}

/** A stream's first event comes along with its headers when it comes within this time. */
const HEADERS_WAIT_MS = 100;

/**
 * Sends headers with the first bytes of the body, or after a moment without any. The adapter flushes a stream's headers at
 * once; the client would be woken for them while its first token is computed.
 */
class DrainAwareResponse extends ServerResponse {
  override flushHeaders(): void {
    const written = this.socket?.bytesWritten;
    setTimeout(() => {
      if (this.socket?.bytesWritten === written) super.flushHeaders();
    }, HEADERS_WAIT_MS);
  }
}

type Fetch = (request: Request) => Response | Promise<Response>;

/** Time for the last bytes of answers that `leave` has ended. */
const LAST_BYTES_MS = 1000;

/** Listens. @throws DomainError `bad_config` when the port cannot be had. */
export async function listen(fetch: Fetch, config: Config, log: Logger): Promise<RunningServer> {
  const { limits } = config;
  const server = createServer({
    maxHeaderSize: limits.headerBytes,
    requestTimeout: limits.requestSeconds * 1000,
    headersTimeout: Math.min(limits.requestSeconds, 10) * 1000,
    keepAliveTimeout: 65_000,
    connectionsCheckingInterval: 1000,
    // Node's own refusal has no body; ours follows.
    requireHostHeader: false,
    ServerResponse: DrainAwareResponse,
  });
  serveRequests(server, fetch, log);
  // Node drops headers past this count without a word; the app refuses one more than it allows.
  server.maxHeadersCount = limits.headers + 1;
  await bind(server, config);
  return { url: urlOf(server, config.host), shutDown: (drainMs, leave) => shutDown(server, drainMs, leave) };
}

/** What the app is told in place of the Host that HTTP/1.0 does without; health checks of load balancers are such requests. */
const UNNAMED_HOST = 'localhost';

function serveRequests(server: Server, fetch: Fetch, log: Logger): void {
  // Several when a client sends requests ahead of their answers.
  const answering = new WeakMap<Duplex, Set<ServerResponse>>();
  const headersSent = (socket: Duplex) => [...(answering.get(socket) ?? [])].some((outgoing) => outgoing.headersSent);
  const refuse = createMalformedRefusals(log, headersSent);
  const serve = getRequestListener(fetch, { hostname: UNNAMED_HOST, errorHandler: refuse.thrown }) as RequestListener;
  server.on('request', (incoming, outgoing) => {
    const answers = answering.get(incoming.socket) ?? new Set();
    answering.set(incoming.socket, answers.add(outgoing));
    outgoing.once('finish', () => answers.delete(outgoing));
    // `OPTIONS *` asks about the whole server, which has no other path in a URL.
    if (incoming.url === '*') incoming.url = '/';
    if (!refuse.lacksHost(incoming, outgoing)) serve(incoming, outgoing);
  });
  server.on('checkExpectation', refuse.expectation);
  server.on('connect', refuse.tunnel);
  server.on('clientError', refuse.clientError);
}

function bind(server: Server, { host, port }: Config): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const message = `Cannot listen on ${host}:${port}: ${(cause as NodeJS.ErrnoException).code ?? 'unknown error'}.`;
      reject(new DomainError('bad_config', message, { param: 'port', cause }));
    });
    server.listen(port, host, resolve);
  });
}

function urlOf(server: Server, host: string): string {
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

async function shutDown(server: Server, drainMs: number, leave: () => Promise<void>): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // Node closes connections that idle now; those that answer now idle later.
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  await settledWithin(closed, drainMs);
  await leave();
  await settledWithin(closed, LAST_BYTES_MS);
  clearInterval(idle);
  server.closeAllConnections();
  await closed;
}

async function settledWithin(promise: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([promise, late]);
  clearTimeout(timer);
}
