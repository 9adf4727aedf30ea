// Requests that are wrong before a field of theirs is looked at: no JSON, too large, wrong headers or route.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CHAT, testRefusals } from '../../gateway-parts/bad-requests.ts';
import { chatBody, createScriptedGateway } from '../../gateway-parts/scripted-gateway.ts';

testRefusals([
  {
    title: 'malformed JSON',
    body: '{"model": ',
    param: null,
    message: 'We could not parse the JSON body of your request.',
  },
  { title: 'an empty body', body: '', param: null, message: 'We could not parse the JSON body of your request.' },
  {
    title: 'a body that is no object',
    body: '[1]',
    param: null,
    message: 'Expected the request body to be a JSON object.',
  },
  {
    title: 'invalid UTF-8',
    body: Buffer.from(`{"model":"tiny","messages":[{"role":"user","content":"a\xff"}]}`, 'latin1'),
    param: null,
    message: 'The request body is not valid UTF-8.',
  },
  {
    title: 'another content type',
    body: 'model=tiny',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    status: 415,
    code: 'unsupported_media_type',
    param: 'content-type',
    message: "Expected the header 'Content-Type: application/json' but received 'application/x-www-form-urlencoded'.",
  },
  {
    title: 'deep nesting',
    body: `{"a":${'['.repeat(100)}${']'.repeat(100)}}`,
    param: null,
    message: 'The JSON body is nested deeper than 32 levels.',
  },
  {
    title: 'a body over the limit',
    body: chatBody({ messages: [{ role: 'user', content: 'x'.repeat(5000) }] }),
    status: 413,
    code: 'payload_too_large',
    param: null,
    message: 'The request body is larger than 4096 bytes. Send a smaller one.',
  },
  {
    title: 'a wrong Conclave-Resume',
    body: chatBody(),
    headers: { 'conclave-resume': '-5' },
    param: 'Conclave-Resume',
    message: "Invalid 'Conclave-Resume': expected an integer of 0 to 3600 (seconds).",
  },
  {
    title: 'a wrong Idempotency-Key',
    body: chatBody(),
    headers: { 'idempotency-key': 'a b' },
    param: 'Idempotency-Key',
    message: "Invalid 'Idempotency-Key': expected 1 to 255 printable ASCII characters without spaces.",
  },
]);

test('refuses a chunked body that grows past the limit', async () => {
  const gateway = await createScriptedGateway({ config: { limits: { bodyBytes: 100 } } });
  const piece = new TextEncoder().encode(' '.repeat(60));
  let sent = 0;
  const body = new ReadableStream({
    pull: (controller) => (sent++ < 50 ? controller.enqueue(piece) : controller.close()),
  });
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${gateway.key}` };
  const response = await gateway.app.request(CHAT, { method: 'POST', body, headers, duplex: 'half' } as RequestInit);
  const message = 'The request body is larger than 100 bytes. Send a smaller one.';
  const error = { message, type: 'invalid_request_error', param: null, code: 'payload_too_large' };
  assert.deepEqual([response.status, await response.json()], [413, { error }]);
  assert.ok(sent < 50, 'it was not read to its end');
});

test('refuses more headers than allowed', async () => {
  const gateway = await createScriptedGateway({ config: { limits: { headers: 10 } } });
  const many = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`x-${at}`, '1']));
  const response = await gateway.get('/v1/models', many);
  const message = 'The request has more than 10 headers. Send fewer.';
  const error = { message, type: 'invalid_request_error', param: null, code: 'invalid_request' };
  assert.deepEqual([response.status, await response.json()], [400, { error }]);
});

test('a brace inside a string is no nesting', async () => {
  const gateway = await createScriptedGateway();
  const response = await gateway.post(
    CHAT,
    chatBody({ messages: [{ role: 'user', content: `\\"${'{['.repeat(20)}` }] }),
  );
  assert.equal(response.status, 200);
});

test('an unknown route is a 404 in the same shape', async () => {
  const gateway = await createScriptedGateway();
  const response = await gateway.get('/v1/nothing');
  assert.equal(response.status, 404);
  assert.deepEqual(await response.json(), {
    error: { message: 'Invalid URL (GET /v1/nothing)', type: 'invalid_request_error', param: null, code: 'not_found' },
  });
});
