// Reads and parses a body while the credential is verified. Errors in the body are reported only after authentication. An
// unauthenticated caller can make us parse at most LARGEST_BYTES.
import type { MiddlewareHandler } from 'hono';
import type { Limits } from '../../infra/config/config-schema.ts';
import type { GatewayContext, GatewayEnv } from '../environment.ts';
import { type JsonBody, readJsonBody } from './read-json-body.ts';

/** Larger bodies are read after authentication. */
const LARGEST_BYTES = 64 * 1024;

/** Paths whose bodies are JSON whatever their content type says: Ollama's own examples give none. */
const ANY_TYPE = /^\/api\//;

/** Starts to read the body of a POST if its size is announced and small. A compressed body does not announce its decoded size. */
export function readAhead(limits: Limits): MiddlewareHandler<GatewayEnv> {
  return async (c, next) => {
    const announced = Number(c.req.header('content-length'));
    const isSmall = announced <= LARGEST_BYTES && c.req.header('content-encoding') === undefined;
    const isForm = c.req.header('content-type')?.startsWith('multipart/') === true;
    if (c.req.method === 'POST' && isSmall && !isForm) {
      const body = readJsonBody(c.req.raw, limits, ANY_TYPE.test(c.req.path));
      // The rejection is handled where the body is used; if authentication fails, it is irrelevant.
      body.catch(() => {});
      c.set('body', body);
    }
    await next();
  };
}

/** The body, read ahead or now. @throws DomainError as readJsonBody does. */
export function jsonBodyOf(c: GatewayContext, limits: Limits): Promise<JsonBody> {
  const body = c.get('body') ?? readJsonBody(c.req.raw, limits, ANY_TYPE.test(c.req.path));
  // A second reader of the request gets the same.
  c.set('body', body);
  return body;
}
