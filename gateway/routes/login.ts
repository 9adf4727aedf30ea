// /admin/login: paste an API key, get a session cookie; /admin/logout gives it back. The pages are plain HTML without scripts.
import type { OpenAPIHono } from '@hono/zod-openapi';
import { deleteCookie, setCookie } from 'hono/cookie';
import { html } from 'hono/html';
import { JOB_BOARD_PATH } from '../admin/job-board.ts';
import { refuseForeignOrigin } from '../auth/authenticate-operator.ts';
import { SESSION_COOKIE } from '../auth/sessions.ts';
import type { GatewayContext, GatewayEnv } from '../environment.ts';
import type { GatewayParts } from '../parts.ts';
import { readTextBody } from '../request/read-body.ts';

/** A form with one key. */
const MAX_FORM_BYTES = 4096;

/** Adds the sign-in pages, which are open. */
export function addLoginRoutes(app: OpenAPIHono<GatewayEnv>, parts: GatewayParts): void {
  app.get('/admin/login', (c) => c.html(loginPage('')));
  app.post('/admin/login', (c) => signIn(parts, c));
  app.post('/admin/logout', (c) => {
    refuseForeignOrigin(parts, c);
    deleteCookie(c, SESSION_COOKIE, cookieOptions(parts));
    return c.redirect('/admin/login', 303);
  });
}

/** Also refuses forms of other sites: they could sign a browser in as somebody else. */
async function signIn(parts: GatewayParts, c: GatewayContext): Promise<Response> {
  refuseForeignOrigin(parts, c);
  const form = new URLSearchParams(await readTextBody(c.req.raw, MAX_FORM_BYTES));
  const cookie = await parts.sessions.open((form.get('key') ?? '').trim(), parts.clock());
  const principal = cookie === undefined ? undefined : await parts.sessions.read(cookie, parts.clock());
  if (cookie === undefined || principal?.scopes.includes('admin:read') !== true) {
    return c.html(loginPage('This key is not valid here. It needs the scope admin:read.'), 401);
  }
  setCookie(c, SESSION_COOKIE, cookie, { ...cookieOptions(parts), maxAge: parts.config.auth.sessionSeconds });
  return c.redirect(JOB_BOARD_PATH, 303);
}

function cookieOptions(parts: GatewayParts) {
  const secure = parts.config.publicUrl?.startsWith('https:') ?? false;
  return { path: '/admin', httpOnly: true, sameSite: 'Strict', secure } as const;
}

function loginPage(problem: string) {
  return html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Conclave – sign in</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 24rem; margin: 15vh auto; padding: 0 1rem; }
input, button { font: inherit; width: 100%; box-sizing: border-box; padding: .5rem; margin-top: .5rem; }
[role=alert] { color: #b00020; }
</style></head>
<body>
<h1>Conclave</h1>
<form method="post" action="/admin/login">
<label for="key">API key with the scope admin:read</label>
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus>
<button>Sign in</button>
<p role="alert">${problem}</p>
</form>
</body>
</html>`;
}
