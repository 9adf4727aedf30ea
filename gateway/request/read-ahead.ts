// A body is read and parsed while its sender's credential is looked up: neither waits for the other. What is wrong with it is said
// only once the credential has proved good. An unauthenticated caller can cause no more work than parsing that prefix.
import type { MiddlewareHandler } from 'hono';
import type { Limits } from '../../infra/config/config-schema.ts';
import type { GatewayContext, GatewayEnv } from '../environment.ts';
import { type JsonBody, readJsonBody } from './read-json-body.ts';

/** Larger bodies are read when it is known who sends them. */
const LARGEST_BYTES = 64 * 1024;

/** Begins to read the body of a POST whose size is announced and small; what a compressed body becomes is not announced. */
export function readAhead(limits: Limits): MiddlewareHandler<GatewayEnv> {
  return async (c, next) => {
    const announced = Number(c.req.header('content-length'));
    const isSmall = announced <= LARGEST_BYTES && c.req.header('content-encoding') === undefined;
    if (c.req.method === 'POST' && isSmall) {
      const body = readJsonBody(c.req.raw, limits);
      // Whoever wants the body sees what is wrong with it; if nobody does, nobody needs to know.
      body.catch(() => {});
      c.set('body', body);
    }
    await next();
  };
}

/** The body, read ahead or now. @throws DomainError as readJsonBody does. */
export function jsonBodyOf(c: GatewayContext, limits: Limits): Promise<JsonBody> {
  return c.get('body') ?? readJsonBody(c.req.raw, limits);
}
