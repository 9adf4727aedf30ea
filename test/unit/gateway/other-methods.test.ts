// Methods that a path does not have, and what OPTIONS and HEAD answer, for every route of the app.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorAnswer } from '../../../gateway/errors/error-answer.ts';
import { DomainError } from '../../../infra/errors/domain-error.ts';
import { createScriptedGateway } from '../../gateway-parts/scripted-gateway.ts';

const METHODS = ['DELETE', 'GET', 'PATCH', 'POST', 'PUT'] as const;

const requestIdOf = (response: Response) => response.headers.get('x-request-id') ?? '';

/** The methods of each path, as registered; middleware is registered for all methods. */
async function registered() {
  const gateway = await createScriptedGateway();
  const paths = new Map<string, Set<string>>();
  for (const { method, path } of gateway.app.routes.filter((route) => route.method !== 'ALL')) {
    const example = path.replace(/:\w+(\{[^}]*\})?/g, 'x');
    paths.set(example, (paths.get(example) ?? new Set()).add(method));
  }
  return { gateway, paths };
}

test('a method that a path lacks is a 405 that lists those it has', async () => {
  const { gateway, paths } = await registered();
  assert.ok(paths.size > 20);
  for (const [path, methods] of paths) {
    const allow = [...methods, ...(methods.has('GET') ? ['HEAD'] : []), 'OPTIONS'].sort().join(', ');
    for (const method of METHODS.filter((each) => !methods.has(each))) {
      const response = await gateway.app.request(path, { method });
      const message = `Method ${method} is not allowed on ${path}: use one of ${allow}.`;
      const body = errorAnswer(path, new DomainError('method_not_allowed', message), requestIdOf(response));
      assert.deepEqual([response.status, await response.json()], [405, body], `${method} ${path}`);
      assert.equal(response.headers.get('allow'), allow);
    }
    // The path of `OPTIONS *` too, which asks about the whole server: see answerOtherMethods.
    if (path === '/') continue;
    const options = await gateway.app.request(path, { method: 'OPTIONS' });
    assert.deepEqual([options.status, options.headers.get('allow')], [204, allow], path);
  }
});

test('HEAD is GET without a body, and lacking where GET is', async () => {
  const { gateway } = await registered();
  const head = await gateway.send('HEAD', '/v1/models');
  assert.deepEqual([head.status, await head.text()], [200, '']);
  assert.equal((await gateway.send('HEAD', '/v1/chat/completions')).status, 405);
});

test('a path that does not exist stays a 404 for every method', async () => {
  const { gateway } = await registered();
  for (const method of [...METHODS, 'OPTIONS', 'HEAD']) {
    const response = await gateway.send(method, '/v1/nothing');
    assert.equal(response.status, 404, method);
    assert.equal(response.headers.get('allow'), null);
  }
});
