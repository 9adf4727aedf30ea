// /admin/login exchanges an API key for a session cookie; /admin/logout ends the session.
import type { OpenAPIHono } from '@hono/zod-openapi';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { toDomainError } from '../../infra/errors/domain-error.ts';
import { JOB_BOARD_PATH } from '../admin/job-board.ts';
import { signInPage, signOutPage } from '../admin/sign-in-pages.ts';
import { refuseForeignOrigin } from '../auth/authenticate-operator.ts';
import { SESSION_COOKIE } from '../auth/sessions.ts';
import type { GatewayContext, GatewayEnv } from '../environment.ts';
import { httpStatus } from '../errors/error-to-http.ts';
import type { GatewayParts } from '../parts.ts';
import { isPublicTls, publicPath } from '../public-address.ts';
import { readTextBody } from '../request/read-body.ts';

/** A form with one key. */
const MAX_FORM_BYTES = 4096;

/** Notices on the sign-in page, by the value of `after` in its query. */
const NOTICES: ReadonlyMap<string, string> = new Map([
  ['session', 'Your session has ended. Sign in again.'],
  ['logout', 'You have signed out.'],
]);

/** Adds the pages for signing in and out, which are open. */
export function addLoginRoutes(app: OpenAPIHono<GatewayEnv>, parts: GatewayParts): void {
  app.get('/admin/login', (c) => c.html(signInPage(NOTICES.get(c.req.query('after') ?? '') ?? '')));
  app.post('/admin/login', (c) => onOwnPage(parts, c, () => signIn(parts, c)));
  app.get('/admin/logout', (c) => c.html(signOutPage()));
  app.post('/admin/logout', (c) => onOwnPage(parts, c, () => signOut(parts, c)));
}

/** Refuses forms of other sites, which could sign a browser in with another key. The refusal is a page for people. */
async function onOwnPage(parts: GatewayParts, c: GatewayContext, answer: () => Promise<Response>): Promise<Response> {
  try {
    refuseForeignOrigin(parts, c);
  } catch (thrown) {
    const { message, code } = toDomainError(thrown);
    return c.html(signInPage(message), httpStatus(code) as 403);
  }
  return answer();
}

async function signIn(parts: GatewayParts, c: GatewayContext): Promise<Response> {
  const form = new URLSearchParams(await readTextBody(c.req.raw, MAX_FORM_BYTES));
  const cookie = await parts.sessions.open((form.get('key') ?? '').trim(), parts.clock());
  const principal = cookie === undefined ? undefined : await parts.sessions.read(cookie, parts.clock());
  if (cookie === undefined || principal?.scopes.includes('admin:read') !== true) {
    return c.html(signInPage('This key is not valid, or it lacks the scope admin:read.'), 401);
  }
  setCookie(c, SESSION_COOKIE, cookie, { ...cookieOptions(parts), maxAge: parts.config.auth.sessionSeconds });
  return c.redirect(publicPath(parts.config, JOB_BOARD_PATH), 303);
}

async function signOut(parts: GatewayParts, c: GatewayContext): Promise<Response> {
  await parts.sessions.close(getCookie(c, SESSION_COOKIE) ?? '', parts.clock());
  deleteCookie(c, SESSION_COOKIE, cookieOptions(parts));
  return c.redirect(publicPath(parts.config, '/admin/login?after=logout'), 303);
}

function cookieOptions({ config }: GatewayParts) {
  const secure = isPublicTls(config);
  return { path: publicPath(config, '/admin'), httpOnly: true, sameSite: 'Strict', secure } as const;
}
