// Runs the app in a Node server, with the limits that only the server can enforce and a graceful shutdown.
import { createServer, type RequestListener, type Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import type { Config } from '../infra/config/config-schema.ts';
import { listenUrl } from '../infra/config/listen-url.ts';
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

/** Starts to listen. @throws DomainError `bad_config` if the port is not available. */
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
  // Node silently drops headers beyond this count, so it must admit one more than the app allows.
  server.maxHeadersCount = limits.headers + 1;
  await bind(server, config);
  return { url: urlOf(server, config.host), shutDown: (drainMs, leave) => shutDown(server, drainMs, leave) };
}

/** Host for HTTP/1.0 requests without one, such as the health checks of load balancers. */
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
    if (!refuse.wrongHost(incoming, outgoing)) serve(incoming, outgoing);
  });
  server.on('checkExpectation', refuse.expectation);
  server.on('connect', refuse.tunnel);
  server.on('clientError', refuse.clientError);
}

function bind(server: Server, { host, port }: Config): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      reject(cannotListen(host, port, cause));
    });
    server.listen(port, host, resolve);
  });
}

/** Remedies for errors that an operator can fix. */
const LISTEN_REMEDIES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use by another process: stop it, or choose another port with --port',
  EADDRNOTAVAIL: 'the address does not belong to this machine: choose another with --host',
  EAFNOSUPPORT: 'this machine does not support this kind of address: choose another with --host, such as 0.0.0.0',
  ENOTFOUND: 'the name cannot be resolved: choose another with --host',
  EAI_AGAIN: 'the name cannot be resolved: choose another with --host',
  EACCES: 'this user may not use the port: choose one above 1023 with --port',
};

function cannotListen(host: string, port: number, cause: NodeJS.ErrnoException): DomainError {
  const { code = 'unknown error' } = cause;
  const reason = LISTEN_REMEDIES[code] === undefined ? code : `${code}, ${LISTEN_REMEDIES[code]}`;
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return new DomainError('bad_config', `Cannot listen on ${address}: ${reason}.`, { param: 'port', cause });
}

function urlOf(server: Server, host: string): string {
  const address = server.address();
  return listenUrl(host, typeof address === 'object' && address !== null ? address.port : 0);
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
