// Authentication: valid and invalid API keys and tokens of JWT issuers.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { chatBody, createScriptedGateway } from '../../gateway-parts/scripted-gateway.ts';
import { AUDIENCE, ISSUER, startIssuer } from '../../gateway-parts/token-issuer.ts';

const CHAT = '/v1/chat/completions';
const INCORRECT = {
  error: {
    message: 'Incorrect API key provided. It may be misspelt, expired or revoked.',
    type: 'authentication_error',
    param: null,
    code: 'invalid_api_key',
  },
};

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function refused(response: Response): Promise<void> {
  assert.deepEqual([response.status, await response.json()], [401, INCORRECT]);
  assert.equal(response.headers.get('www-authenticate'), 'Bearer');
}

test('without a credential every route but health and sign-in is closed', async () => {
  const { app } = await createScriptedGateway();
  const open = ['/healthz', '/readyz', '/admin/login'];
  const closed = ['/v1/models', '/v1/models/tiny', '/v1/streams/x', '/metrics', '/openapi.json', '/nothing'];
  const admin = [
    '/admin',
    '/admin/queues',
    '/admin/queues/static/x.js',
    '/admin/api/queues',
    '/admin/api/keys',
    '/admin/x',
  ];
  for (const path of open) assert.equal((await app.request(path)).status, 200, path);
  for (const path of [...closed, ...admin]) assert.equal((await app.request(path)).status, 401, path);
  const response = await app.request('/v1/models');
  assert.equal(
    ((await response.json()) as typeof INCORRECT).error.message,
    "You did not provide an API key: expected the header 'Authorization: Bearer <key>'.",
  );
});

test('what is wrong with a body is told to those with a credential only', async () => {
  const gateway = await createScriptedGateway();
  for (const body of ['no JSON', 'x'.repeat(100_000)]) {
    // Announced, it may be read ahead.
    for (const announced of [{}, { 'content-length': String(body.length) }]) {
      await refused(await gateway.post(CHAT, body, { ...bearer('cvk_unknown'), ...announced }));
      assert.equal((await gateway.post(CHAT, body, announced)).status, 400);
    }
  }
});

test('a key with the right prefix and a wrong secret is refused', async () => {
  const gateway = await createScriptedGateway();
  const forged = `${gateway.key.slice(0, -1)}${gateway.key.endsWith('A') ? 'B' : 'A'}`;
  await refused(await gateway.get('/v1/models', bearer(forged)));
});

test('headers that are no bearer credential are refused', async () => {
  const gateway = await createScriptedGateway();
  for (const authorization of ['', 'Bearer', 'Basic YTpi', `Bearer ${'a'.repeat(9000)}`, 'Bearer ä', 'Bearer a b']) {
    const response = await gateway.get('/v1/models', { authorization });
    assert.equal(response.status, 401, authorization.slice(0, 20));
  }
});

test('a revoked key stops working with the next request', async () => {
  const gateway = await createScriptedGateway();
  assert.equal((await gateway.get('/v1/models')).status, 200);
  const [record] = await gateway.parts.keys.list();
  await gateway.parts.keys.revoke(record?.prefix ?? '', gateway.time.nowMs);
  await refused(await gateway.get('/v1/models'));
  await refused(await gateway.post(CHAT, chatBody()));
  await refused(await gateway.post(CHAT, 'a body that is wrong too'));
  assert.equal(gateway.worker.requests.length, 0, 'nothing was queued');
});

test('an expired key is refused from its last millisecond on', async () => {
  const gateway = await createScriptedGateway();
  const expiresAtMs = gateway.time.nowMs + 1000;
  const { text } = await gateway.parts.keys.create({ tenant: 'acme', name: '', scopes: ['chat'], expiresAtMs }, 0);
  gateway.time.nowMs = expiresAtMs - 1;
  assert.equal((await gateway.get('/v1/models', bearer(text))).status, 200);
  gateway.time.nowMs = expiresAtMs;
  await refused(await gateway.get('/v1/models', bearer(text)));
});

test('a scope that is missing is named', async () => {
  const gateway = await createScriptedGateway();
  const admin = bearer(await gateway.newKey('ops', ['admin:read']));
  const cases: [string, string, Record<string, string>, string][] = [
    ['POST', CHAT, admin, 'chat'],
    ['GET', '/v1/models', admin, 'chat'],
    ['GET', '/metrics', {}, 'admin:read'],
    ['GET', '/admin/api/queues', {}, 'admin:read'],
    ['POST', '/admin/api/keys', admin, 'admin:write'],
    ['DELETE', '/admin/api/keys/x', admin, 'admin:write'],
  ];
  for (const [method, path, headers, scope] of cases) {
    const response = await gateway.send(method, path, method === 'POST' ? chatBody() : undefined, headers);
    const error = {
      message: `This credential lacks the scope '${scope}'. Use a key that has it.`,
      type: 'permission_error',
      param: null,
      code: 'insufficient_scope',
    };
    assert.deepEqual([response.status, await response.json()], [403, { error }], path);
  }
});

test('a blocked tenant is served nothing', async () => {
  const gateway = await createScriptedGateway();
  await gateway.parts.tenants.set('acme', { blocked: true }, 0);
  const response = await gateway.post(CHAT, chatBody());
  assert.deepEqual(
    [response.status, ((await response.json()) as typeof INCORRECT).error.message],
    [403, 'This tenant is blocked. Ask the operator to unblock it.'],
  );
});

test('a key of a blocked tenant does nothing, whatever its scopes, and neither does its session', async () => {
  const gateway = await createScriptedGateway();
  const key = await gateway.newKey('ops', ['chat', 'admin:read', 'admin:write']);
  const login = await gateway.app.request('/admin/login', {
    method: 'POST',
    body: `key=${key}`,
    headers: { origin: 'http://localhost' },
  });
  const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? '';
  const board = () => gateway.app.request('/admin/queues', { headers: { cookie } });
  assert.equal((await board()).status, 200);
  await gateway.parts.tenants.set('ops', { blocked: true }, 0);
  const calls = [
    ['GET', '/v1/models'],
    ['GET', '/metrics'],
    ['GET', '/openapi.json'],
    ['GET', '/admin/api/keys'],
    ['PATCH', '/admin/api/tenants/ops', { blocked: false }],
    ['POST', '/admin/api/keys', { tenant: 'acme', scopes: ['admin:write'] }],
  ] as const;
  for (const [method, path, body] of calls) {
    const response = await gateway.send(method, path, body, bearer(key));
    assert.deepEqual(
      [response.status, ((await response.json()) as typeof INCORRECT).error.message],
      [403, 'This tenant is blocked. Ask the operator to unblock it.'],
      path,
    );
  }
  assert.equal((await board()).status, 401);
  await gateway.parts.tenants.set('ops', { blocked: false }, 0);
  assert.equal((await board()).status, 200);
});

test('a tenant sees and uses only the models on its list', async () => {
  const gateway = await createScriptedGateway();
  await gateway.parts.tenants.set('acme', { models: ['other'] }, 0);
  assert.deepEqual(await (await gateway.get('/v1/models')).json(), { object: 'list', data: [] });
  assert.equal((await gateway.get('/v1/models/tiny')).status, 404);
  assert.equal((await gateway.post(CHAT, chatBody())).status, 404);
});

async function withIssuer(t: TestContext, changes: object = {}) {
  const issuer = await startIssuer(t);
  const trusted = { name: 'corp', issuer: ISSUER, audiences: [AUDIENCE], jwksUri: issuer.jwksUri, ...changes };
  const gateway = await createScriptedGateway({ config: { auth: { jwt: [trusted] } } });
  return { issuer, gateway, now: gateway.time.nowMs };
}

test("a token's tenant is its issuer's name and its claim", async (t) => {
  const { issuer, gateway, now } = await withIssuer(t);
  const response = await gateway.post(CHAT, chatBody(), bearer(await issuer.sign(now)));
  assert.equal(response.status, 200);
  assert.equal(gateway.worker.requests[0]?.tenant, 'corp/acme');
});

test('a token cannot name an API-key tenant, nor any odd one', async (t) => {
  const { issuer, gateway, now } = await withIssuer(t);
  for (const tenant of ['', '../acme', 'a/b', 'a b', 5, null, ['acme'], { id: 'acme' }, 'x'.repeat(200)]) {
    await refused(await gateway.get('/v1/models', bearer(await issuer.sign(now, { tenant }))));
  }
});

test('tenant and scopes are read where the configuration says', async (t) => {
  const places = { tenantClaim: 'org.id', scopeClaim: 'https://conclave.example/roles' };
  const { issuer, gateway, now } = await withIssuer(t, places);
  const claims = { org: { id: 'deep' }, 'https://conclave.example/roles': ['chat', 'root'], scope: 'admin:write' };
  const token = await issuer.sign(now, claims);
  assert.equal((await gateway.post(CHAT, chatBody(), bearer(token))).status, 200);
  assert.equal(gateway.worker.requests[0]?.tenant, 'corp/deep');
  assert.equal((await gateway.get('/admin/api/queues', bearer(token))).status, 403);
});

test('an issuer grants admin scopes only when the configuration lets it', async (t) => {
  const claims = { scope: 'chat admin:read' };
  const plain = await withIssuer(t);
  assert.equal((await plain.gateway.get('/metrics', bearer(await plain.issuer.sign(plain.now, claims)))).status, 403);
  const trusted = await withIssuer(t, { scopes: ['admin:read'] });
  assert.equal(
    (await trusted.gateway.get('/metrics', bearer(await trusted.issuer.sign(trusted.now, claims)))).status,
    200,
  );
});

test('tokens with wrong claims are refused', async (t) => {
  const { issuer, gateway, now } = await withIssuer(t);
  const seconds = Math.floor(now / 1000);
  const wrong = {
    audience: { aud: 'another-service' },
    issuer: { iss: 'https://evil.example' },
    expired: { exp: seconds - 60 },
    'not yet valid': { nbf: seconds + 60 },
    'without expiry': { exp: undefined },
    'without subject': { sub: undefined },
  };
  for (const [title, claims] of Object.entries(wrong)) {
    const response = await gateway.get('/v1/models', bearer(await issuer.sign(now, claims)));
    assert.deepEqual([response.status, await response.json()], [401, INCORRECT], title);
  }
});

const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');

test('hostile tokens are refused', async (t) => {
  const { issuer, gateway, now } = await withIssuer(t);
  const good = await issuer.sign(now);
  const [head = '', payload = '', signature = ''] = good.split('.');
  const hmac = (text: string) => createHmac('sha256', issuer.publicPem()).update(text).digest('base64url');
  const confused = `${encode({ alg: 'HS256', kid: 'first' })}.${payload}`;
  const hostile = {
    'alg none': `${encode({ alg: 'none' })}.${payload}.`,
    'alg none with a signature': `${encode({ alg: 'none', kid: 'first' })}.${payload}.${signature}`,
    'RS256 key as HS256 secret': `${confused}.${hmac(confused)}`,
    'an algorithm that is not allowed': `${encode({ alg: 'PS256', kid: 'first' })}.${payload}.${signature}`,
    'an unknown key id': await issuer
      .sign(now, {}, 'first')
      .then((text) => `${encode({ alg: 'RS256', kid: 'no' })}.${text.slice(text.indexOf('.') + 1)}`),
    'its own key inside': `${encode({ alg: 'RS256', jwk: { kty: 'RSA' } })}.${payload}.${signature}`,
    'a key elsewhere': `${encode({ alg: 'RS256', jku: 'https://evil.example/jwks', kid: 'x' })}.${payload}.${signature}`,
    'an unknown critical header': `${encode({ alg: 'RS256', kid: 'first', crit: ['x'], x: 1 })}.${payload}.${signature}`,
    'changed claims': `${head}.${encode({ iss: ISSUER, aud: AUDIENCE, sub: 'x', tenant: 'rival', exp: 9e9 })}.${signature}`,
    'no signature': `${head}.${payload}.`,
    'two parts': `${head}.${payload}`,
    garbage: 'a.b.c',
    'an array as payload': `${head}.${encode([1])}.${signature}`,
  };
  assert.equal((await gateway.get('/v1/models', bearer(good))).status, 200);
  for (const [title, token] of Object.entries(hostile)) {
    const response = await gateway.get('/v1/models', bearer(token));
    assert.deepEqual([response.status, await response.json()], [401, INCORRECT], title);
  }
});

test('a rotated key is fetched, and unknown key ids do not cause repeated fetches', async (t) => {
  const { issuer, gateway, now } = await withIssuer(t, { cooldownSeconds: 0.05 });
  assert.equal((await gateway.get('/v1/models', bearer(await issuer.sign(now)))).status, 200);
  await issuer.addKey('second');
  const rotated = await issuer.sign(now, {}, 'second');
  const deadline = Date.now() + 5000;
  while ((await gateway.get('/v1/models', bearer(rotated))).status !== 200) assert.ok(Date.now() < deadline);
  const fetched = issuer.state.fetches;
  const { issuer: cold, gateway: guarded } = await withIssuer(t);
  for (let at = 0; at < 20; at += 1) {
    const token = (await cold.sign(now)).replace(/^[^.]+/, encode({ alg: 'RS256', kid: `unknown-${at}` }));
    assert.equal((await guarded.get('/v1/models', bearer(token))).status, 401);
  }
  assert.equal(cold.state.fetches, 1);
  assert.ok(fetched >= 2);
});

test('an issuer that cannot be reached is no verdict on the token', async (t) => {
  const { issuer, gateway, now } = await withIssuer(t);
  issuer.state.answer = 500;
  const response = await gateway.get('/v1/models', bearer(await issuer.sign(now)));
  assert.deepEqual([response.status, response.headers.get('retry-after')], [503, '5']);
  assert.deepEqual(await response.json(), {
    error: {
      message: "The keys of the token issuer 'corp' cannot be fetched. Try again in a few seconds.",
      type: 'server_error',
      param: null,
      code: 'unavailable',
    },
  });
});
