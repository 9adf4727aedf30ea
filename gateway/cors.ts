// Which web pages may call the API from a browser (CORS). Nothing is allowed unless the configuration names origins. Pages
// authenticate with a key like any other client; cookies are never accepted here.
import type { MiddlewareHandler } from 'hono';
import { cors } from 'hono/cors';
import type { GatewayEnv } from './environment.ts';

/** Response headers that a page's script may read beyond those that the Fetch standard always shows. */
const EXPOSED_HEADERS = [
  'x-request-id',
  'conclave-id',
  'conclave-repeated',
  'openai-processing-ms',
  'retry-after',
  'x-ratelimit-limit-requests',
  'x-ratelimit-remaining-requests',
  'x-ratelimit-reset-requests',
  'www-authenticate',
  'allow',
];

/** For how long a browser may remember the answer to a preflight request. */
const PREFLIGHT_SECONDS = 600;

/** Lets pages of these origins, or of any with `*`, call the routes that it is mounted on. */
export function allowOrigins(origins: readonly string[]): MiddlewareHandler<GatewayEnv> {
  const share = cors({
    origin: origins.includes('*') ? '*' : [...origins],
    allowMethods: ['GET', 'POST', 'DELETE'],
    exposeHeaders: EXPOSED_HEADERS,
    maxAge: PREFLIGHT_SECONDS,
  });
  // The middleware rebuilds the response, which streams to programs, the common case, need not pay for.
  return (c, next) => (c.req.header('origin') === undefined ? next() : share(c, next));
}
