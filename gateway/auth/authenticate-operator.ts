// Authenticates operators below /admin, by bearer token or session cookie. A browser attaches the cookie to requests from any
// page, so a change authorized by a cookie must come from the gateway's own pages.
import { getCookie } from 'hono/cookie';
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { GatewayContext } from '../environment.ts';
import type { GatewayParts } from '../parts.ts';
import { publicOrigin } from '../public-address.ts';
import type { Principal } from './principal.ts';
import { SESSION_COOKIE } from './sessions.ts';

/** @throws DomainError `invalid_api_key`, or `insufficient_scope` for a change requested by another site. */
export async function authenticateOperator(parts: GatewayParts, c: GatewayContext): Promise<Principal> {
  const authorization = c.req.header('authorization');
  const cookie = getCookie(c, SESSION_COOKIE);
  if (authorization !== undefined || cookie === undefined) {
    return (await parts.authenticator(authorization, parts.clock())).principal;
  }
  const principal = await parts.sessions.read(cookie, parts.clock());
  if (principal === undefined) throw new DomainError('invalid_api_key', 'Your session has ended. Sign in again.');
  refuseForeignOrigin(parts, c);
  return principal;
}

/** Allows reads, and changes requested by the gateway's own pages. @throws DomainError `insufficient_scope` otherwise. */
export function refuseForeignOrigin(parts: GatewayParts, c: GatewayContext): void {
  if (c.req.method === 'GET' || c.req.method === 'HEAD') return;
  const own = publicOrigin(parts.config, c.req.url);
  if (isFromOwnPage((name) => c.req.header(name), own)) return;
  const message =
    `This request did not come from a page of ${own}. ` +
    'Behind a proxy, set publicUrl in conclave.yaml to the address that the browser shows.';
  throw new DomainError('insufficient_scope', message);
}

/**
 * Sec-Fetch-Site is the browser's own verdict and does not depend on the gateway's address. Old browsers omit it, and all do over
 * plain http except on localhost: then Origin decides, or Referer if Origin is missing too. A request without all three is
 * refused.
 */
function isFromOwnPage(header: (name: string) => string | undefined, ownOrigin: string): boolean {
  const site = header('sec-fetch-site');
  if (site !== undefined) return site === 'same-origin';
  return (header('origin') ?? originOf(header('referer'))) === ownOrigin;
}

function originOf(url: string | undefined): string | undefined {
  return url !== undefined && URL.canParse(url) ? new URL(url).origin : undefined;
}
