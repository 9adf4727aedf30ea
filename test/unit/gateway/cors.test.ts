// Which web pages may call the API: headers of preflights, answers and errors. test/e2e/cors.test.ts has a browser obey them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configSchema } from '../../../infra/config/config-schema.ts';
import { chatBody, createScriptedGateway } from '../../gateway-parts/scripted-gateway.ts';

const CHAT = '/v1/chat/completions';
const APP = 'https://app.example';

async function allowing(...origins: string[]) {
  const gateway = await createScriptedGateway({ config: { cors: { origins } } });
  const preflight = (path: string, origin = APP) =>
    gateway.app.request(path, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type,x-stainless-os',
      },
    });
  return { ...gateway, preflight };
}

const allowedOrigin = ({ headers }: Response) => headers.get('access-control-allow-origin');

test('no page of another origin may call the API by default', async () => {
  const { post, preflight } = await allowing();
  const answer = await post(CHAT, chatBody(), { origin: APP });
  assert.deepEqual([answer.status, allowedOrigin(answer)], [200, null]);
  assert.equal(answer.headers.get('cross-origin-resource-policy'), 'same-origin');
  assert.equal(allowedOrigin(await preflight(CHAT)), null);
});

test('a preflight of an allowed origin is answered without a key', async () => {
  const { preflight } = await allowing('https://other.example', APP);
  const answer = await preflight(CHAT);
  const { headers } = answer;
  assert.deepEqual([answer.status, allowedOrigin(answer)], [204, APP]);
  assert.match(headers.get('access-control-allow-methods') ?? '', /\bPOST\b/);
  assert.equal(headers.get('access-control-allow-headers'), 'authorization,content-type,x-stainless-os');
  assert.equal(headers.get('access-control-max-age'), '600');
  assert.equal(headers.get('access-control-allow-credentials'), null);
  assert.match(headers.get('vary') ?? '', /Origin/);
});

test('answers, streams and errors of every kind can be read by an allowed origin', async () => {
  const { post, get, send, app } = await allowing(APP);
  const from = { origin: APP };
  const many = Object.fromEntries(Array.from({ length: 120 }, (_, index) => [`x-${index}`, '']));
  const answers: readonly [number, Response | Promise<Response>][] = [
    [200, post(CHAT, chatBody(), from)],
    [200, post(CHAT, chatBody({ stream: true }), from)],
    [200, get('/v1/models', from)],
    [400, post(CHAT, '{', from)],
    [400, get('/v1/models', { ...from, ...many })],
    [401, app.request('/v1/models', { headers: from })],
    [404, get('/v1/none', from)],
    [405, send('PUT', CHAT, undefined, from)],
    [413, post(CHAT, 'x'.repeat(5 * 1024 * 1024), from)],
  ];
  for (const [status, pending] of answers) {
    const answer = await pending;
    assert.deepEqual([answer.status, allowedOrigin(answer)], [status, APP]);
    assert.equal(answer.headers.get('cross-origin-resource-policy'), 'cross-origin');
    assert.match(answer.headers.get('vary') ?? '', /Origin/);
    await answer.text();
  }
});

test('every header of ours that is worth reading is exposed', async () => {
  const { post } = await allowing(APP);
  const { headers } = await post(CHAT, chatBody(), { origin: APP });
  const exposed = (headers.get('access-control-expose-headers') ?? '').split(',');
  const safelisted = new Set(['content-type', 'content-length', 'cache-control']);
  const ours = [...headers.keys()].filter((name) => /^(x-request|x-rate|conclave|openai|retry)/.test(name));
  assert.ok(ours.includes('conclave-id') && ours.includes('x-request-id'));
  assert.deepEqual(
    ours.filter((name) => !safelisted.has(name) && !exposed.includes(name)),
    [],
  );
  for (const name of ['retry-after', 'x-ratelimit-remaining-requests', 'conclave-repeated']) {
    assert.ok(exposed.includes(name), name);
  }
});

test('other origins, null and look-alikes are told nothing; the admin API allows none', async () => {
  const { post, get, preflight } = await allowing(APP);
  for (const origin of ['https://evil.example', 'null', `${APP}.evil.example`, 'http://app.example', `${APP}:8443`]) {
    assert.equal(allowedOrigin(await post(CHAT, chatBody(), { origin })), null, origin);
    assert.equal(allowedOrigin(await preflight(CHAT, origin)), null, origin);
  }
  assert.equal(allowedOrigin(await get('/admin/api/queues', { origin: APP })), null);
  assert.equal(allowedOrigin(await preflight('/admin/api/queues')), null);
});

test('`*` allows every page', async () => {
  const { post, preflight } = await allowing('*');
  assert.equal(allowedOrigin(await post(CHAT, chatBody(), { origin: 'https://any.example' })), '*');
  assert.equal(allowedOrigin(await preflight(CHAT)), '*');
});

test('an origin that no browser sends is refused in the configuration', () => {
  const accepted = (origin: string) => configSchema.safeParse({ cors: { origins: [origin] } }).success;
  for (const origin of ['*', APP, 'http://localhost:5173', 'http://[::1]:3000', 'app://obsidian.md'])
    assert.ok(accepted(origin), origin);
  const wrong = [
    `${APP}/`,
    `${APP}/chat`,
    'app.example',
    'https://APP.example',
    'https://*.example',
    `${APP}:443`,
    'null',
  ];
  for (const origin of wrong) assert.ok(!accepted(origin), origin);
});
