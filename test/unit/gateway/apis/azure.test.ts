// Azure's paths of OpenAI's API.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chatBody, createScriptedGateway } from '../../../gateway-parts/scripted-gateway.ts';

test('the path names the model, and the key has a header of its own', async () => {
  const gateway = await createScriptedGateway();
  const ask = (path: string, body: object, key = gateway.key) =>
    gateway.app.request(`/openai${path}?api-version=2024-10-21`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', 'api-key': key },
    });
  const statusOf = async (...call: Parameters<typeof ask>) => (await ask(...call)).status;
  assert.equal(await statusOf('/deployments/tiny/chat/completions', chatBody({ model: 'other' })), 200);
  assert.equal(await statusOf('/deployments/tiny/completions', { prompt: 'Hi' }), 200);
  assert.equal(await statusOf('/deployments/other/chat/completions', chatBody()), 404);
  assert.equal(await statusOf('/deployments/tiny/chat/completions', chatBody(), 'cvk_wrong'), 401);
  for (const prefix of ['', '/v1']) {
    assert.equal(await statusOf(`${prefix}/chat/completions`, chatBody()), 200);
    assert.equal(await statusOf(`${prefix}/responses`, { model: 'tiny', input: 'Hi' }), 200);
  }
});

test('what the path does not serve is an error of the API', async () => {
  const gateway = await createScriptedGateway();
  const response = await gateway.post('/openai/deployments/tiny/images/generations', {});
  assert.equal(response.status, 404);
  assert.equal(JSON.parse(await response.text()).error.code, 'not_found');
});
