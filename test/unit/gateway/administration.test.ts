// The admin API, its audit log, and the browser's way in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConfigInput } from '../../../infra/config/config-schema.ts';
import type { Scope } from '../../../infra/tenants/scope.ts';
import { chatBody, createScriptedGateway } from '../../gateway-parts/scripted-gateway.ts';

const OPERATOR: readonly Scope[] = ['admin:read', 'admin:write'];
const ORIGIN = 'http://localhost';

async function withOperator(config: ConfigInput = {}) {
  const gateway = await createScriptedGateway({ config });
  const key = await gateway.newKey('ops', OPERATOR);
  const headers = { authorization: `Bearer ${key}` };
  const admin = async (method: string, path: string, body?: object) => {
    const response = await gateway.send(method, `/admin/api${path}`, body, headers);
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  return { gateway, key, headers, admin };
}

test('a key is shown once, works, is listed without its secret and can be revoked', async () => {
  const { gateway, admin } = await withOperator();
  const made = await admin('POST', '/keys', { tenant: 'acme', name: 'laptop' });
  assert.equal(made.status, 201);
  const text = String(made.body['text']);
  assert.match(text, /^cvk_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}$/);
  const bearer = { authorization: `Bearer ${text}` };
  assert.equal((await gateway.get('/v1/models', bearer)).status, 200);
  const listed = await admin('GET', '/keys');
  assert.ok(!JSON.stringify(listed.body).includes(text.split('_')[2] ?? ''));
  assert.equal((await admin('DELETE', `/keys/${made.body['prefix']}`)).status, 200);
  assert.equal((await gateway.get('/v1/models', bearer)).status, 401);
});

test('keys are made only for tenants that exist and have keys', async () => {
  const { admin } = await withOperator();
  for (const tenant of ['unknown', 'corp/acme']) {
    const { status, body } = await admin('POST', '/keys', { tenant });
    assert.equal(status, 404);
    assert.equal((body['error'] as { param: string }).param, 'tenant');
  }
});

test('tenants are created, changed, listed and blocked', async () => {
  const { gateway, admin } = await withOperator();
  assert.equal((await admin('POST', '/tenants', { id: 'beta', weight: 2 })).status, 201);
  await admin('PATCH', '/tenants/corp/acme', { maxWaiting: 7 });
  assert.equal((await gateway.parts.tenants.policy('corp/acme')).maxWaiting, 7);
  await admin('DELETE', '/tenants/acme');
  assert.equal((await gateway.post('/v1/chat/completions', chatBody())).status, 403);
  await admin('PATCH', '/tenants/acme', { blocked: false });
  assert.equal((await gateway.post('/v1/chat/completions', chatBody())).status, 200);
  const { body } = await admin('PATCH', '/tenants/beta', { weigth: 3 });
  assert.equal((body['error'] as { message: string }).message, "Unrecognized request argument supplied: 'weigth'.");
});

test('an operator cannot block the own tenant, and stays able to undo everything', async () => {
  const { admin } = await withOperator();
  for (const [method, body] of [
    ['PATCH', { blocked: true }],
    ['DELETE', undefined],
  ] as const) {
    const refused = await admin(method, '/tenants/ops', body);
    const { message } = refused.body['error'] as { message: string };
    assert.equal(refused.status, 409);
    assert.match(message, /^The key in use belongs to tenant 'ops' .* Block it with a key of another tenant/);
  }
  assert.equal((await admin('PATCH', '/tenants/ops', { blocked: false, weight: 2 })).status, 200);
});

test('the last key that can administer cannot be revoked by itself', async () => {
  const { gateway, key, admin } = await withOperator();
  const own = key.split('_')[1] ?? '';
  const refused = await admin('DELETE', `/keys/${own}`);
  assert.equal(refused.status, 409);
  assert.match((refused.body['error'] as { message: string }).message, /^This is the last valid key with admin:write/);
  await gateway.newKey('blocked-ops', OPERATOR);
  await gateway.parts.tenants.set('blocked-ops', { blocked: true }, 0);
  const expired = { tenant: 'ops', name: '', scopes: OPERATOR, expiresAtMs: gateway.time.nowMs };
  await gateway.parts.keys.create(expired, 0);
  assert.equal((await admin('DELETE', `/keys/${own}`)).status, 409, 'keys that do not work do not count');
  await gateway.newKey('ops', OPERATOR);
  assert.equal((await admin('DELETE', `/keys/${own}`)).status, 200);
});

test('a weight outside of its bounds is refused, as are numbers that are not finite', async () => {
  const { admin } = await withOperator();
  for (const weight of [5e-324, 1e-20, 0, -1, 0.0009, 1001, 1e308, null, '1']) {
    for (const [method, path, body] of [
      ['POST', '/tenants', { id: 'beta', weight }],
      ['PATCH', '/tenants/acme', { weight }],
    ] as const) {
      const { status, body: answer } = await admin(method, path, body);
      assert.deepEqual([status, (answer['error'] as { param: string }).param], [400, 'weight'], String(weight));
    }
  }
  assert.equal((await admin('PATCH', '/tenants/acme', { weight: 0.001 })).status, 200);
});

test('every change is in the audit log, a failed one too, and reading is not', async () => {
  const { gateway, admin } = await withOperator();
  await admin('GET', '/keys');
  await admin('POST', '/tenants', { id: 'beta' });
  await admin('DELETE', '/keys/unknown');
  const { body } = await admin('GET', '/audit');
  const entries = body['data'] as { who: string; action: string; target: string; outcome: string }[];
  assert.deepEqual(
    entries.map(({ action, target, outcome }) => [action, target, outcome]),
    [
      ['key.revoke', 'unknown', 'failed'],
      ['key.revoke', 'unknown', 'allowed'],
      ['tenant.create', 'beta', 'allowed'],
    ],
  );
  assert.ok(entries.every(({ who }) => who.startsWith('key:')));
  Object.assign(gateway.audit, { append: () => Promise.reject(new Error('away')) });
  assert.equal((await admin('POST', '/tenants', { id: 'gamma' })).status, 500);
  assert.equal(await gateway.parts.tenants.find('gamma'), undefined, 'what cannot be logged is not done');
});

test('jobs are listed by state and page, and unknown ones are a 404', async () => {
  const { admin } = await withOperator();
  assert.deepEqual((await admin('GET', '/jobs')).body, { object: 'list', data: [], next: null, total: 0 });
  assert.equal((await admin('GET', '/jobs?state=lost')).status, 400);
  assert.equal((await admin('GET', '/jobs?limit=201')).status, 400);
  for (const path of ['/jobs/x', '/queues/x']) assert.equal((await admin('GET', path)).status, 404);
  for (const path of ['/jobs/x/cancel', '/jobs/x/retry', '/queues/x/pause']) {
    assert.equal((await admin('POST', path)).status, 404, path);
  }
  const error = {
    message: 'No job has this id, or it has expired.',
    type: 'invalid_request_error',
    param: 'id',
    code: 'not_found',
  };
  assert.deepEqual((await admin('GET', '/jobs/x')).body, { error });
});

test('a job is shown without its content', async () => {
  const { gateway, admin } = await withOperator();
  const secret = { messages: [{ role: 'user', content: 'launch code' }] };
  const response = await gateway.post('/v1/chat/completions', chatBody(secret));
  const { body } = await admin('GET', `/jobs/${response.headers.get('conclave-id')}`);
  assert.equal(body['tenant'], 'acme');
  assert.ok(!JSON.stringify(body).includes('launch'));
});

test('blocking a tenant, by either route, cancels its requests; other changes do not', async () => {
  const { gateway, admin } = await withOperator();
  await admin('PATCH', '/tenants/acme', { maxWaiting: 3 });
  await admin('PATCH', '/tenants/acme', { blocked: false });
  assert.deepEqual(gateway.controlled, []);
  assert.equal((await admin('PATCH', '/tenants/acme', { blocked: true })).status, 200);
  assert.equal((await admin('DELETE', '/tenants/acme')).status, 200);
  assert.deepEqual(gateway.controlled, ['cancel requests of acme', 'cancel requests of acme']);
});

async function signIn(config: ConfigInput = {}) {
  const operator = await withOperator(config);
  const { gateway, key } = operator;
  const form = (
    body: string,
    headers: Record<string, string> = { origin: new URL(config.publicUrl ?? ORIGIN).origin },
  ) => gateway.app.request('/admin/login', { method: 'POST', body, headers });
  const response = await form(`key=${key}`);
  const cookie = response.headers.get('set-cookie') ?? '';
  const visit = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    gateway.app.request(path, { method, headers: { cookie: cookie.split(';')[0] ?? '', ...headers } });
  return { ...operator, form, response, cookie, visit };
}

test('a browser signs in with a key and gets a cookie that scripts and other sites cannot use', async () => {
  const { response, cookie, visit } = await signIn();
  assert.deepEqual([response.status, response.headers.get('location')], [303, '/admin/queues']);
  assert.match(cookie, /^cv_session=[^;]+; Max-Age=28800; Path=\/admin; HttpOnly; SameSite=Strict$/);
  assert.equal(await (await visit('/admin/queues')).text(), 'board');
  assert.equal((await visit('/v1/models')).status, 401, 'the cookie is good for /admin only');
});

test('a visitor without a session is sent to the sign-in page, a program is told 401', async () => {
  const { gateway } = await signIn();
  const page = await gateway.app.request('/admin/queues', { headers: { accept: 'text/html' } });
  assert.deepEqual([page.status, page.headers.get('location')], [303, '/admin/login']);
  assert.equal((await gateway.app.request('/admin/queues')).status, 401);
});

test('sign-in refuses wrong keys, keys without admin:read, big forms and forms of other sites', async () => {
  const { gateway, form } = await signIn();
  assert.equal((await form('key=cvk_wrong')).status, 401);
  assert.equal((await form(`key=${gateway.key}`)).status, 401);
  assert.equal((await form('')).status, 401);
  assert.equal((await form(`key=${'x'.repeat(5000)}`)).status, 413);
  assert.equal((await form('key=x', { origin: 'https://evil.example' })).status, 403);
  assert.equal((await form('key=x', {})).status, 403);
});

test('a change comes from our own page: by the verdict of the browser, else the origin, else the referring page', async () => {
  const { gateway, visit } = await signIn();
  const cancel = async (headers: Record<string, string>) =>
    (await visit('/admin/api/jobs/x/cancel', headers, 'POST')).status;
  const passed = 404;
  assert.equal(await cancel({ 'sec-fetch-site': 'same-origin' }), passed);
  // A proxy that hides our address from us, and a browser that hides the origin.
  assert.equal(await cancel({ 'sec-fetch-site': 'same-origin', origin: 'https://llm.example' }), passed);
  assert.equal(await cancel({ 'sec-fetch-site': 'same-origin', origin: 'null' }), passed);
  assert.equal(await cancel({ referer: `${ORIGIN}/admin/queues` }), passed);
  for (const site of ['cross-site', 'same-site', 'none', '']) {
    assert.equal(await cancel({ 'sec-fetch-site': site, origin: ORIGIN }), 403, site);
  }
  assert.equal(await cancel({ origin: 'null' }), 403);
  assert.equal(await cancel({ origin: 'null', referer: `${ORIGIN}/admin/queues` }), 403);
  assert.equal(await cancel({ referer: `${ORIGIN}.evil.example/` }), 403);
  assert.equal(await cancel({ referer: 'no address' }), 403);
  const refused = await gateway.app.request('/admin/login', { method: 'POST', body: 'key=x' });
  assert.match(await refused.text(), /role="alert">This request did not come from a page of .* set publicUrl/);
});

test('signing out ends the session on the server, so a copied cookie is useless, and no other session of the key', async () => {
  const { form, cookie, key, visit } = await signIn();
  const other = (await form(`key=${key}`)).headers.get('set-cookie') ?? '';
  assert.equal((await visit('/admin/queues')).status, 200);
  assert.equal((await visit('/admin/logout', { origin: ORIGIN }, 'POST')).status, 303);
  const statusWith = async (copied: string) =>
    (await visit('/admin/queues', { cookie: copied.split(';')[0] ?? '' })).status;
  assert.equal(await statusWith(cookie), 401);
  assert.equal(await statusWith(other), 200);
  assert.equal((await visit('/admin/logout', { origin: ORIGIN }, 'POST')).status, 303, 'signing out twice is no error');
});

test('behind a proxy that strips a path, redirects and the cookie have it', async () => {
  const { gateway, form, cookie, response } = await signIn({ publicUrl: 'https://llm.example/llm/' });
  assert.equal(response.headers.get('location'), '/llm/admin/queues');
  assert.match(cookie, /; Path=\/llm\/admin; HttpOnly; Secure; SameSite=Strict$/);
  const locationOf = async (path: string, cookie = '') =>
    (await gateway.app.request(path, { headers: { accept: 'text/html', cookie } })).headers.get('location');
  assert.equal(await locationOf('/'), '/llm/admin');
  assert.equal(await locationOf('/admin/queues/queue/x'), '/llm/admin/login');
  assert.equal(await locationOf('/admin/queues', 'cv_session=gone'), '/llm/admin/login?after=session');
  assert.equal(await locationOf('/admin', cookie), '/llm/admin/queues');
  const out = await gateway.app.request('/admin/logout', {
    method: 'POST',
    headers: { origin: 'https://llm.example' },
  });
  assert.equal(out.headers.get('location'), '/llm/admin/login?after=logout');
  assert.equal((await form('key=x', { origin: ORIGIN })).status, 403, 'our own address is the public one');
});

test('/ leads a browser to the admin pages and tells a program where the API is', async () => {
  const gateway = await createScriptedGateway();
  const page = await gateway.app.request('/', { headers: { accept: 'text/html,*/*;q=0.8' } });
  assert.deepEqual([page.status, page.headers.get('location'), page.headers.get('vary')], [303, '/admin', 'accept']);
  const answer = await gateway.app.request('/');
  assert.deepEqual(await answer.json(), { name: 'Conclave', api: '/v1', description: '/openapi.json' });
});

test('a change asked for with a cookie must come from our own origin', async () => {
  const { visit } = await signIn();
  const foreign = await visit('/admin/api/jobs/x/cancel', { origin: 'https://evil.example' }, 'POST');
  assert.equal(foreign.status, 403);
  assert.equal((await visit('/admin/api/jobs/x/cancel', {}, 'POST')).status, 403);
  assert.equal((await visit('/admin/api/jobs/x/cancel', { origin: ORIGIN }, 'POST')).status, 404, 'it was let through');
});

test('revoking the key, time and forgery end a session', async () => {
  const { gateway, cookie, key, visit } = await signIn();
  const forged = cookie.split(';')[0]?.replace(/\.(\d)/, (_, digit) => `.${(Number(digit) + 1) % 10}`) ?? '';
  assert.equal((await visit('/admin/queues', { cookie: forged })).status, 401);
  gateway.time.nowMs += 8 * 3600 * 1000;
  assert.equal((await visit('/admin/queues')).status, 401);
  gateway.time.nowMs -= 8 * 3600 * 1000;
  assert.equal((await visit('/admin/queues')).status, 200);
  await gateway.parts.keys.revoke(key.split('_')[1] ?? '', 0);
  assert.equal((await visit('/admin/queues')).status, 401);
});

test('signing out clears the cookie', async () => {
  const { visit } = await signIn();
  const response = await visit('/admin/logout', { origin: ORIGIN }, 'POST');
  assert.match(response.headers.get('set-cookie') ?? '', /^cv_session=; Max-Age=0/);
});

test('security headers are on every answer', async () => {
  const { gateway } = await signIn();
  for (const path of ['/healthz', '/v1/models', '/admin/login']) {
    const { headers } = await gateway.get(path);
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.match(headers.get('content-security-policy') ?? '', /default-src 'none'/);
  }
});
