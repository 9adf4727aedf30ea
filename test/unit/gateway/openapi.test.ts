// The API's description: valid OpenAPI 3.1, exactly the app's routes, and as strict as the server. That every answer of the tests
// fits it is held by the scripted gateway (described-answers.ts).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { type Answer, type ApiDescription, describedAnswers, PAGES } from '../../gateway-parts/described-answers.ts';
import { chatBody, createScriptedGateway } from '../../gateway-parts/scripted-gateway.ts';

async function describe() {
  const gateway = await createScriptedGateway();
  const description = (await (await gateway.get('/openapi.json')).json()) as ApiDescription;
  return { gateway, description };
}

test('/openapi.json is valid OpenAPI 3.1', async () => {
  const { description } = await describe();
  const validator = new Validator();
  const result = await validator.validate({ ...description });
  assert.deepEqual(result, { valid: true });
  assert.equal(validator.version, '3.1');
});

test('/openapi.json describes every route of the app but pages, and only routes that exist', async () => {
  const { gateway, description } = await describe();
  const described = Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const routes = gateway.app.routes
    .filter(({ method, path }) => method !== 'ALL' && !PAGES.test(path))
    .map(({ method, path }) => `${method} ${path.replace(/:(\w+)(\{[^}]*\})?/g, '{$1}')}`);
  assert.deepEqual([...new Set(routes)].sort(), described.sort());
  assert.ok(described.length > 25);
});

test('every operation has an id of its own, an answer, errors and what its path takes', async () => {
  const { description } = await describe();
  const ids = new Set<string>();
  for (const [path, methods] of Object.entries(description.paths)) {
    for (const operation of Object.values(methods)) {
      const { operationId, responses } = operation;
      assert.ok(!ids.has(operationId), operationId);
      ids.add(operationId);
      assert.ok(Object.keys(responses).some((status) => status.startsWith('2')) && '400' in responses, operationId);
      const inPath = (operation.parameters ?? [])
        .filter((parameter) => parameter.in === 'path')
        .map(({ name }) => name);
      assert.deepEqual(
        inPath,
        [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
        operationId,
      );
    }
  }
});

test('headers and query parameters that count are described', async () => {
  const { description } = await describe();
  const parametersOf = (path: string, method: string) => {
    return (description.paths[path]?.[method]?.parameters ?? []).map(
      (parameter) => `${parameter.in} ${parameter.name}`,
    );
  };
  for (const path of ['/v1/chat/completions', '/v1/completions']) {
    const expected = ['Idempotency-Key', 'Conclave-Resume', 'traceparent', 'Content-Encoding'];
    assert.deepEqual(
      parametersOf(path, 'post'),
      expected.map((name) => `header ${name}`),
    );
  }
  assert.deepEqual(parametersOf('/v1/streams/{id}', 'get').sort(), [
    'header Last-Event-ID',
    'path id',
    'query include_usage',
    'query last_event_id',
  ]);
  assert.deepEqual(parametersOf('/admin/api/jobs', 'get').sort(), [
    'query after',
    'query limit',
    'query queue',
    'query state',
  ]);
});

/** What the published schema of a request's body says of a value. */
function bodyCheck(description: ApiDescription, name: string): (body: object) => boolean {
  const ajv = new Ajv2020({ strict: false, validateSchema: false });
  ajv.addFormat('int64', true);
  ajv.addSchema(description as object, 'api');
  const check = ajv.compile({ $ref: `api#/components/schemas/${name}` });
  return (body) => check(body);
}

test('the published schema of a body refuses what the server refuses, and takes what it takes', async () => {
  const { gateway, description } = await describe();
  const check = bodyCheck(description, 'ChatCompletionRequest');
  const cases: readonly [object, number][] = [
    [{}, 200],
    [{ temperature: 2, top_p: 1, top_k: 0, stop: 'x', seed: -5, logit_bias: { 5: 3 } }, 200],
    [{ temperature: null, n: null, stop: null, seed: null, logit_bias: null }, 200],
    [{ logit_bias: { 5: null } }, 200],
    [{ temperature: 2.1 }, 400],
    [{ top_p: -0.1 }, 400],
    [{ n: 0 }, 400],
    [{ seed: 1.5 }, 400],
    [{ stream: 'yes' }, 400],
    [{ messages: [] }, 400],
    [{ messages: [{ role: 'unknown', content: 'x' }] }, 400],
    [{ top_logprobs: 21, logprobs: true }, 400],
    [{ stop: [''] }, 400],
    [{ logit_bias: { 5: 101 } }, 400],
    [{ unknown_field: 1 }, 400],
  ];
  for (const [changes, status] of cases) {
    const body = chatBody(changes);
    assert.equal((await gateway.post('/v1/chat/completions', body)).status, status, JSON.stringify(changes));
    assert.equal(check(body), status === 200, `the schema on ${JSON.stringify(changes)}`);
  }
});

test('the check of answers notices a status, a header, a field and an event that are not declared', async () => {
  const { gateway, description } = await describe();
  const check = describedAnswers(description);
  const response = await gateway.post('/v1/chat/completions', chatBody());
  const body = await response.text();
  const path = '/v1/chat/completions';
  const good: Answer = { method: 'POST', path, status: response.status, headers: response.headers, body };
  check(good);
  const changed = (changes: Record<string, string>) => {
    const headers = new Headers(good.headers);
    for (const [name, value] of Object.entries(changes)) headers.set(name, value);
    return headers;
  };
  const unnamed = changed({});
  unnamed.delete('x-request-id');
  const stream = changed({ 'content-type': 'text/event-stream' });
  const wrong: readonly [RegExp, Partial<Answer>][] = [
    [/status is not declared/, { status: 418 }],
    [/content type 'text\/html' is not declared/, { headers: changed({ 'content-type': 'text/html' }) }],
    [/header x-odd is not declared/, { headers: changed({ 'x-odd': '1' }) }],
    [/header x-request-id is missing/, { headers: unnamed }],
    [/must NOT have additional properties/, { body: JSON.stringify({ ...JSON.parse(body), odd: 1 }) }],
    [/must have required property/, { body: JSON.stringify({ id: 'x' }) }],
    [/must/, { headers: stream, body: 'data: {"odd":1}\n\n' }],
    [/must/, { headers: stream, body: 'event: error\ndata: {"message":"x"}\n\n' }],
    [/no such operation/, { path: '/v1/nothing' }],
  ];
  for (const [message, changes] of wrong) assert.throws(() => check({ ...good, ...changes }), { message });
});
