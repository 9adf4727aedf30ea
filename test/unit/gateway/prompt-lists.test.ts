// Prompts in a list, as LangChain and lm-eval send them: one request, whose choices are numbered as OpenAI numbers them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reservedTokens } from '../../../gateway/queue/enqueue-generation.ts';
import { countChoices, promptOf } from '../../../infra/messages/generation-request.ts';
import { TEXT } from '../../gateway-parts/bad-requests.ts';
import { createScriptedGateway } from '../../gateway-parts/scripted-gateway.ts';
import { finished, type Script, tokens } from '../../gateway-parts/scripted-worker.ts';

/** Answers every choice with its prompt in upper case and its number. */
const SHOUT: Script = (request) => [
  ...Array.from({ length: countChoices(request) }, (_, choice) => {
    const text = `${Buffer.from(promptOf(request, choice)).toString().toUpperCase()}${choice % request.choices}`;
    return tokens(text, { choice, finish: 'stop' });
  }).reverse(),
  finished(),
];

const LISTS = [
  { prompt: ['a', 'bc'], expected: ['A', 'BC'] },
  { prompt: [[97], [98, 99]], expected: ['A', 'BC'] },
  { prompt: ['a'], expected: ['A'] },
  { prompt: [[97]], expected: ['A'] },
  { prompt: [97, 98], expected: ['AB'] },
];

for (const { prompt, expected } of LISTS) {
  test(`answers ${JSON.stringify(prompt)} in its order, streaming and not`, async () => {
    const gateway = await createScriptedGateway({ script: SHOUT });
    const body = { model: 'tiny', prompt, n: 2, max_tokens: 7 };
    const answer = (await (await gateway.post(TEXT, body)).json()) as { choices: { index: number; text: string }[] };
    const texts = expected.flatMap((text) => [`${text}0`, `${text}1`]);
    assert.deepEqual(
      answer.choices.map(({ index, text }) => [index, text]),
      texts.map((text, index) => [index, text]),
    );

    const stream = await (await gateway.post(TEXT, { ...body, stream: true })).text();
    const streamed: string[] = [];
    for (const [, json = ''] of stream.matchAll(/^data: (\{.*)$/gm)) {
      for (const { index, text } of JSON.parse(json).choices) streamed[index] = `${streamed[index] ?? ''}${text}`;
    }
    assert.deepEqual(streamed, texts);
  });
}

test('a list is one request: all its tokens are reserved at once', async () => {
  const gateway = await createScriptedGateway({ script: SHOUT });
  await gateway.post(TEXT, { model: 'tiny', prompt: ['a', 'bc'], n: 3, max_tokens: 7 });
  const [request] = gateway.worker.requests;
  assert.ok(request !== undefined && gateway.worker.requests.length === 1);
  assert.deepEqual(request.prompts, [[97], [98, 99]]);
  assert.equal(reservedTokens(request), 3 + 2 * 3 * 7);
});
