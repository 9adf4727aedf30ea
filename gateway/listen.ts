// The app behind a Node server: limits that only the server can set, and a shutdown that leaves no client with a cut answer.
import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { Config } from '../infra/config/config-schema.ts';
import { DomainError } from '../infra/errors/domain-error.ts';
import { errorBody } from './errors/error-to-http.ts';

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
class PatientResponse extends ServerResponse {
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
export async function listen(fetch: Fetch, config: Config): Promise<RunningServer> {
  const { limits } = config;
  const server = createServer(
    {
      maxHeaderSize: limits.headerBytes,
      requestTimeout: limits.requestSeconds * 1000,
      headersTimeout: Math.min(limits.requestSeconds, 10) * 1000,
      keepAliveTimeout: 65_000,
      connectionsCheckingInterval: 1000,
      ServerResponse: PatientResponse,
    },
    getRequestListener(fetch) as (request: IncomingMessage, response: ServerResponse) => void,
  );
  // Node drops headers past this count without a word; the app refuses one more than it allows.
  server.maxHeadersCount = limits.headers + 1;
  server.on('clientError', answerClientError);
  await bind(server, config);
  return { url: urlOf(server, config.host), shutDown: (drainMs, leave) => shutDown(server, drainMs, leave) };
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

const CLIENT_ERRORS: Readonly<Record<string, readonly [status: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'The request headers are too large.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'The request was not sent in time.'],
};

/** What fails before the app sees it is answered in the API's shape too. */
function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [status, message] = CLIENT_ERRORS[error.code ?? ''] ?? ['400 Bad Request', 'The request is not valid HTTP.'];
  const body = JSON.stringify(errorBody(new DomainError('invalid_request', message)));
  const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\nconnection: close`;
  socket.end(`${head}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
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
