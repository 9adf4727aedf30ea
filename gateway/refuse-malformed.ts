// Answers requests that fail before they reach the app in the API's format: with an error object, a request id and a log entry.
// The connection is closed. In: an error of the server or its adapter, with its socket. Must not depend on routes.
import { randomBytes } from 'node:crypto';
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { RequestError } from '@hono/node-server';
import { DomainError, type ErrorCode } from '../infra/errors/domain-error.ts';
import type { Logger } from '../infra/log/logger.ts';
import { errorBody } from './errors/error-to-http.ts';
import { makeHttpRequestId } from './request/http-request-id.ts';

/** Why a request is refused; the status is finer than that of the code. */
interface Refusal {
  readonly status: number;
  readonly code: ErrorCode;
  readonly message: string;
}

const invalid = (status: number, message: string): Refusal => ({ status, code: 'invalid_request', message });

const NOT_HTTP = invalid(400, 'The request is not valid HTTP.');
const NOT_IN_TIME = invalid(408, 'The request did not arrive in time. Send it again.');
const WITHOUT_HOST = invalid(400, "The request lacks the header 'Host', which HTTP/1.1 requires.");
const SEVERAL_HOSTS = invalid(400, "The request has more than one header 'Host'.");
const EXPECTATION = invalid(417, "Unsupported 'Expect' header: send '100-continue', or omit it.");
const TUNNEL: Refusal = {
  status: 405,
  code: 'method_not_allowed',
  message: 'CONNECT is not supported: this server is not a proxy.',
};
const FAILED: Refusal = { status: 500, code: 'internal', message: 'An internal error occurred.' };

/** By the codes of Node's parser and server. */
const BY_CODE: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: invalid(431, 'The request headers are too large. Send fewer or shorter ones.'),
  HPE_CHUNK_EXTENSIONS_OVERFLOW: invalid(413, 'The chunk extensions of the request are too large. Omit them.'),
  ERR_HTTP_REQUEST_TIMEOUT: NOT_IN_TIME,
};

export interface MalformedRefusals {
  /** For the server's `clientError`. */
  readonly clientError: (error: NodeJS.ErrnoException, socket: Duplex) => void;
  /** For the server's `connect`. */
  readonly tunnel: (incoming: IncomingMessage, socket: Duplex) => void;
  /** For the server's `checkExpectation`. */
  readonly expectation: (incoming: IncomingMessage, outgoing: ServerResponse) => void;
  /** True if it refused the request: HTTP/1.1 needs exactly one Host, HTTP/1.0 at most one (RFC 9112 section 3.2). */
  readonly wrongHost: (incoming: IncomingMessage, outgoing: ServerResponse) => boolean;
  /** For the adapter, whose URL of the request is not valid, and for what escapes the app. */
  readonly thrown: (error: unknown) => Response;
}

/** `headersSent`: whether an answer on the socket has begun; nothing may be written into it. */
export function createMalformedRefusals(log: Logger, headersSent: (socket: Duplex) => boolean): MalformedRefusals {
  const tell = (refusal: Refusal, cause?: unknown) => describe(log, refusal, cause);
  const toOutgoing = (outgoing: ServerResponse, refusal: Refusal) => {
    const { headers, body } = tell(refusal);
    outgoing.writeHead(refusal.status, headers).end(body);
  };
  return {
    clientError: (error, socket) => {
      const lost = !socket.writable || error.code === 'ECONNRESET' || headersSent(socket);
      if (lost || isSilent(error, socket)) socket.destroy();
      else writeRaw(socket, BY_CODE[error.code ?? ''] ?? NOT_HTTP, tell, error);
    },
    tunnel: (_, socket) => writeRaw(socket, TUNNEL, tell),
    expectation: (_, outgoing) => toOutgoing(outgoing, EXPECTATION),
    wrongHost: ({ rawHeaders, httpVersion }, outgoing) => {
      const hosts = countHosts(rawHeaders);
      if (hosts === 1 || (hosts === 0 && httpVersion !== '1.1')) return false;
      toOutgoing(outgoing, hosts === 0 ? WITHOUT_HOST : SEVERAL_HOSTS);
      return true;
    },
    thrown: (error) => {
      const refusal =
        error instanceof RequestError ? invalid(400, `The request is not valid: ${error.message}.`) : FAILED;
      const { headers, body } = tell(refusal, error);
      return new Response(body, { status: refusal.status, headers });
    },
  };
}

/** `rawHeaders` alternates names and values; `headers.host` would hide all but the first. */
function countHosts(rawHeaders: readonly string[]): number {
  return rawHeaders.filter((text, at) => at % 2 === 0 && text.length === 4 && text.toLowerCase() === 'host').length;
}

/** A preconnect or a port probe, which sent no request: it gets no answer and no log entry. */
function isSilent(error: NodeJS.ErrnoException, socket: Duplex): boolean {
  return BY_CODE[error.code ?? ''] === NOT_IN_TIME && 'bytesRead' in socket && socket.bytesRead === 0;
}

interface Description {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

function describe(log: Logger, { status, code, message }: Refusal, cause: unknown): Description {
  const requestId = makeHttpRequestId(randomBytes);
  if (status >= 500) log.error({ requestId, status, err: cause }, 'request failed');
  else log.info({ requestId, status, reason: message }, 'malformed request');
  const body = JSON.stringify(errorBody(new DomainError(code, message)));
  const headers = {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    'x-content-type-options': 'nosniff',
    'x-request-id': requestId,
    connection: 'close',
  };
  return { headers, body };
}

type Tell = (refusal: Refusal, cause?: unknown) => Description;

function writeRaw(socket: Duplex, refusal: Refusal, tell: Tell, cause?: unknown): void {
  const { headers, body } = tell(refusal, cause);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\n${lines.join('')}\r\n${body}`);
}
