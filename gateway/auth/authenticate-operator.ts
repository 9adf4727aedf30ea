// Who is calling below /admin: a bearer like anywhere else, or a browser's session cookie. A cookie is sent whatever page asks,
// so a change asked for with a cookie must come from our own pages.
import { getCookie } from 'hono/cookie';
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { GatewayContext } from '../environment.ts';
import type { GatewayParts } from '../parts.ts';
import type { Principal } from './principal.ts';
import { SESSION_COOKIE } from './sessions.ts';

/** @throws DomainError `invalid_api_key`, or `insufficient_scope` for a change that another site asks for. */
export async function authenticateOperator(parts: GatewayParts, c: GatewayContext): Promise<Principal> {
  const authorization = c.req.header('authorization');
  const cookie = getCookie(c, SESSION_COOKIE);
  if (authorization !== undefined || cookie === undefined) {
    return (await parts.authenticator(authorization, parts.clock())).principal;
  }
  const principal = await parts.sessions.read(cookie, parts.clock());
  if (principal === undefined) throw new DomainError('invalid_api_key', 'Your session has ended; sign in again.');
  refuseForeignOrigin(parts, c);
  return principal;
}

/** Browsers say the origin of every request that is not a plain GET. */
export function refuseForeignOrigin(parts: GatewayParts, c: GatewayContext): void {
  if (c.req.method === 'GET' || c.req.method === 'HEAD') return;
  const origin = c.req.header('origin');
  if (origin !== undefined && origin === ownOrigin(parts, c)) return;
  throw new DomainError('insufficient_scope', 'This change was asked for by another site.');
}

function ownOrigin(parts: GatewayParts, c: GatewayContext): string {
  return new URL(parts.config.publicUrl ?? c.req.url).origin;
}
