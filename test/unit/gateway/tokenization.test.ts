// /tokenize and /detokenize: a text, a conversation and back; and fields of requests that are the model's or the engine's own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CHAT, testRefusals } from '../../gateway-parts/bad-requests.ts';
import { chatBody, createScriptedGateway } from '../../gateway-parts/scripted-gateway.ts';

test('a text and a conversation in tokens, and the text of tokens', async () => {
  const gateway = await createScriptedGateway();
  const answer = async (path: string, body: object) => (await gateway.post(path, { model: 'tiny', ...body })).json();
  const tokens = [...Buffer.from('Hé')];
  const expected = { count: 3, max_model_len: 64, tokens, token_strs: null };
  assert.deepEqual(await answer('/tokenize', { prompt: 'Hé' }), expected);
  assert.deepEqual(await answer('/tokenize', { messages: [{ role: 'user', content: 'Hé' }] }), expected);
  assert.deepEqual(await answer('/detokenize', { tokens }), { prompt: 'Hé' });
  assert.deepEqual(await answer('/detokenize', { tokens: [] }), { prompt: '' });
  assert.equal(gateway.worker.requests.length, 0);
});

test('an answer names the fingerprint of its model, whole and streamed', async () => {
  const gateway = await createScriptedGateway({ model: { fingerprint: 'fp_1' } });
  const whole = (await (await gateway.post(CHAT, chatBody())).json()) as object;
  assert.equal(Reflect.get(whole, 'system_fingerprint'), 'fp_1');
  assert.match(await (await gateway.post(CHAT, chatBody({ stream: true }))).text(), /"system_fingerprint":"fp_1"/);
});

test('ignore_eos leaves an answer without tokens that end it', async () => {
  const gateway = await createScriptedGateway();
  for (const ignore of [true, false, null]) await gateway.post(CHAT, chatBody({ ignore_eos: ignore }));
  const stopTokens = gateway.worker.requests.map((request) => request.stopTokens);
  assert.deepEqual(stopTokens, [[], [256], [256]]);
});

const model = 'tiny';
testRefusals([
  {
    title: 'tokens beyond the vocabulary',
    path: '/detokenize',
    body: { model, tokens: [1, 257] },
    param: 'tokens[1]',
    message: "Invalid 'tokens[1]': expected a token id below 257, the size of the model's vocabulary.",
  },
  {
    title: 'neither prompt nor messages',
    path: '/tokenize',
    body: { model },
    param: 'prompt',
    message: "Invalid 'prompt': expected string but received nothing.",
  },
]);
