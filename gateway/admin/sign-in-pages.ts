// Sign-in and sign-out pages: plain HTML without scripts. Links are relative, so they work below any proxy path.
import { html } from 'hono/html';

/** The page as accepted by Hono's `c.html`. */
type Page = ReturnType<typeof html>;

/** The sign-in form; `notice` is the reason for showing it, empty on a first visit. */
export function signInPage(notice: string): Page {
  return page(
    'sign in',
    html`<form method="post" action="login">
<label for="key">API key with the scope admin:read</label>
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus>
<button>Sign in</button>
<p role="alert">${notice}</p>
</form>`,
  );
}

/** The sign-out form. Signing out by a link would let any site sign a user out. */
export function signOutPage(): Page {
  return page(
    'sign out',
    html`<form method="post" action="logout">
<button>Sign out</button>
</form>
<p><a href="queues">Back to the queues</a></p>`,
  );
}

function page(title: string, body: Page): Page {
  return html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Conclave – ${title}</title>
<link rel="icon" href="data:,">
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 24rem; margin: 15vh auto; padding: 0 1rem; }
input, button { font: inherit; width: 100%; box-sizing: border-box; padding: .5rem; margin-top: .5rem; }
[role=alert] { color: light-dark(#b00020, #ff8a80); }
</style></head>
<body>
<h1>Conclave</h1>
${body}
</body>
</html>`;
}
