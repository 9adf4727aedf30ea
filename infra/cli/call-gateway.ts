// HTTP requests of the command line to a gateway.
import { type Dispatcher, request } from 'undici';
import { DomainError, type ErrorCode } from '../errors/domain-error.ts';

export interface GatewayCall {
  readonly url: string;
  readonly key: string;
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly body?: object;
  readonly signal?: AbortSignal;
}

/** Sends a request and returns the response, of any status. Throws DomainError `unavailable` if the URL cannot be reached. */
export async function callGateway(call: GatewayCall): Promise<Dispatcher.ResponseData> {
  const { url, key, method, path, body, signal } = call;
  try {
    return await request(new URL(path, url), {
      method,
      // An answer may take arbitrarily long; the user can press Ctrl-C.
      headersTimeout: 0,
      bodyTimeout: 0,
      headers: { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
    });
  } catch (cause) {
    if (signal?.aborted) throw new DomainError('cancelled', 'Stopped.', { cause });
    throw new DomainError(
      'unavailable',
      `No gateway answers at ${url}. Start it with \`npm start\`, or name another with --url.`,
      { cause },
    );
  }
}

/** Converts an error response into an error of the command line. */
export function refusal(answer: unknown): DomainError {
  const { message, code } = (answer as { error?: { message?: string; code?: ErrorCode } }).error ?? {};
  return new DomainError(
    code ?? 'internal',
    message ?? 'The gateway refused the request without a reason. Its log may have one.',
  );
}
