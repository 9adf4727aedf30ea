// Authentication of everything below /admin: a bearer token or a browser session with the scope admin:read. Without either, page
// visits are redirected to the sign-in page, and requests of the board's script get an error that it can display.
import type { MiddlewareHandler } from 'hono';
import { getCookie } from 'hono/cookie';

import { type DomainError, toDomainError } from '../../infra/errors/domain-error.ts';
import { authenticateOperator } from '../auth/authenticate-operator.ts';
import { requireScope } from '../auth/principal.ts';
import { SESSION_COOKIE } from '../auth/sessions.ts';
import type { GatewayContext, GatewayEnv } from '../environment.ts';
import type { GatewayParts } from '../parts.ts';
import { publicPath } from '../public-address.ts';
import { isPageVisit } from '../routes/home.ts';
import { JOB_BOARD_PATH } from './job-board.ts';

/** Sets the principal, or answers in its place. */
export function authenticateAdmin(parts: GatewayParts): MiddlewareHandler<GatewayEnv> {
  return async (c, next) => {
    c.header('cache-control', 'no-store');
    try {
      c.set('principal', await authenticateOperator(parts, c));
    } catch (thrown) {
      const answer = answerUnauthenticated(parts, c, toDomainError(thrown));
      if (answer === null) throw thrown;
      return answer;
    }
    requireScope(c.get('principal'), 'admin:read');
    return next();
  };
}

/** Null where the error itself is the answer. */
function answerUnauthenticated(parts: GatewayParts, c: GatewayContext, { code }: DomainError): Response | null {
  if (code !== 'invalid_api_key') return null;
  if (isPageVisit(c)) return c.redirect(publicPath(parts.config, signInPath(c)), 303);
  if (!c.req.path.startsWith(`${JOB_BOARD_PATH}/api/`)) return null;
  return c.json({ error: 'Your session has ended.', message: 'Reload this page to sign in again.' }, 401);
}

function signInPath(c: GatewayContext): string {
  return getCookie(c, SESSION_COOKIE) === undefined ? '/admin/login' : '/admin/login?after=session';
}
