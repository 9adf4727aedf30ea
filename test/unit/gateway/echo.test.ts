// `echo` as clients see it: the prompt first, null for its first token's log-probability, streaming and not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TEXT } from '../../gateway-parts/bad-requests.ts';
import { createScriptedGateway } from '../../gateway-parts/scripted-gateway.ts';
import { finished, type Script, tokens } from '../../gateway-parts/scripted-worker.ts';

const SCRIPT: Script = () => [
  tokens('a', { ids: [], echoed: 1, logprobs: [{ id: 97, logprob: null, top: [], offset: 0 }] }),
  tokens('b', { ids: [], echoed: 1, logprobs: [{ id: 98, logprob: -0.5, top: [[99, -0.25]], offset: 1 }] }),
  tokens('c', { logprobs: [{ id: 99, logprob: -1, top: [[99, -1]], offset: 2 }], finish: 'length' }),
  finished(1),
];

const BODY = { model: 'tiny', prompt: 'ab', echo: true, logprobs: 1, max_tokens: 1 };

const LOGPROBS = {
  tokens: ['a', 'b', 'c'],
  token_logprobs: [null, -0.5, -1],
  top_logprobs: [null, { c: -0.25, b: -0.5 }, { c: -1 }],
  text_offset: [0, 1, 2],
};

test('an echoed prompt has its log-probabilities', async () => {
  const gateway = await createScriptedGateway({ script: SCRIPT });
  const answer = (await (await gateway.post(TEXT, BODY)).json()) as { choices: unknown[] };
  assert.deepEqual(answer.choices, [{ text: 'abc', index: 0, logprobs: LOGPROBS, finish_reason: 'length' }]);
  const [request] = gateway.worker.requests;
  assert.deepEqual([request?.echo, request?.maxTokens, request?.sampling.logprobs], [true, 1, { top: 1 }]);
});

test('a stream begins with the prompt', async () => {
  const gateway = await createScriptedGateway({ script: SCRIPT });
  const stream = await (await gateway.post(TEXT, { ...BODY, stream: true })).text();
  const chunks = [...stream.matchAll(/^data: (\{.*)$/gm)].map(([, json = '']) => JSON.parse(json).choices[0]);
  assert.equal(chunks.map(({ text }) => text).join(''), 'abc');
  const offsets = chunks.flatMap(({ logprobs }) => logprobs.text_offset);
  const chances = chunks.flatMap(({ logprobs }) => logprobs.token_logprobs);
  assert.deepEqual([offsets, chances], [LOGPROBS.text_offset, LOGPROBS.token_logprobs]);
});

test('max_tokens may be 0 with echo', async () => {
  const gateway = await createScriptedGateway({ script: SCRIPT });
  assert.equal((await gateway.post(TEXT, { ...BODY, max_tokens: 0 })).status, 200);
  assert.equal(gateway.worker.requests[0]?.maxTokens, 0);
});
