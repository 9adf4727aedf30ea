import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readStoredRequest } from '../../../infra/messages/generation-request.ts';
import { requestFixture } from '../../request-fixture.ts';

test('a stored request is read as it was written', () => {
  const request = requestFixture({ prompts: [[1, 2], [3]], echo: true });
  assert.deepEqual(readStoredRequest(JSON.stringify(request)), request);
});

test('a request that waited while its system was upgraded has its one prompt', () => {
  const request = requestFixture({ prompts: [[1, 2, 3]], echo: false });
  const { prompts, echo, ...rest } = request;
  const older = JSON.stringify({ ...rest, promptTokens: prompts[0] });
  assert.deepEqual(readStoredRequest(older), request);
});
