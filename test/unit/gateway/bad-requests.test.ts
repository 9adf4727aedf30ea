// Every way to send a wrong field, with the exact status and error object that its sender gets.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CHAT, TEXT, testRefusals } from '../../gateway-parts/bad-requests.ts';
import { chatBody, createScriptedGateway } from '../../gateway-parts/scripted-gateway.ts';

const user = (content: unknown) => chatBody({ messages: [{ role: 'user', content }] });

testRefusals([
  {
    title: 'no model',
    body: { messages: [] },
    param: 'model',
    message: "Invalid 'model': expected string but received nothing.",
  },
  {
    title: 'a model of a wrong type',
    body: chatBody({ model: 5 }),
    param: 'model',
    message: "Invalid 'model': expected string but received number.",
  },
  {
    title: 'an unknown model',
    body: chatBody({ model: 'gpt-9' }),
    status: 404,
    code: 'model_not_found',
    param: 'model',
    message: "The model 'gpt-9' does not exist or you do not have access to it.",
  },
  {
    title: 'no messages',
    body: chatBody({ messages: [] }),
    param: 'messages',
    message: "Invalid 'messages': too small: expected array to have >=1 items.",
  },
  {
    title: 'too many messages',
    body: chatBody({ messages: [1, 2, 3, 4].map(() => ({ role: 'user', content: '' })) }),
    param: 'messages',
    message: "Invalid 'messages': expected at most 3 but received 4.",
  },
  {
    title: 'messages of a wrong type',
    body: chatBody({ messages: 'Hi' }),
    param: 'messages',
    message: "Invalid 'messages': expected array but received string.",
  },
  {
    title: 'content of a wrong type',
    body: user(5),
    param: 'messages[0].content',
    message: "Invalid 'messages[0].content': expected string or array but received number.",
  },
  {
    title: 'an unknown role',
    body: chatBody({ messages: [{ role: 'boss', content: 'Hi' }] }),
    param: 'messages[0].role',
    message: `Invalid 'messages[0].role': invalid option: expected one of "system"|"developer"|"user"|"assistant".`,
  },
  {
    title: 'an image',
    body: user([
      { type: 'text', text: 'a' },
      { type: 'image_url', image_url: { url: 'data:' } },
    ]),
    code: 'unsupported_parameter',
    param: 'messages[0].content[1].type',
    message: "Unsupported parameter: 'messages[0].content[1].type' is not supported.",
  },
  {
    title: 'a tool message',
    body: chatBody({ messages: [{ role: 'tool', content: '5' }] }),
    code: 'unsupported_parameter',
    param: 'messages[0].role',
    message: "Unsupported parameter: 'messages[0].role' is not supported.",
  },
  {
    title: "a speaker's name",
    body: chatBody({ messages: [{ role: 'user', content: 'Hi', name: 'Ada' }] }),
    code: 'unsupported_parameter',
    param: 'messages[0].name',
    message: "Unsupported parameter: 'messages[0].name' is not supported.",
  },
  {
    title: 'messages that the chat template refuses',
    body: chatBody({ messages: [{ role: 'assistant', content: 'Hi' }] }),
    param: 'messages',
    message: 'The chat template refuses these messages.',
  },
  {
    title: 'a prompt beyond the context',
    body: user('x'.repeat(64)),
    code: 'context_length_exceeded',
    param: 'messages',
    message: "This model's maximum context length is 64 tokens. Your messages resulted in 64 tokens.",
  },
  {
    title: 'max_tokens of 0',
    body: chatBody({ max_tokens: 0 }),
    param: 'max_tokens',
    message: "Invalid 'max_tokens': too small: expected number to be >=1.",
  },
  {
    title: 'max_tokens of 10^9',
    body: chatBody({ max_tokens: 1e9 }),
    code: 'context_length_exceeded',
    param: 'max_tokens',
    message:
      "This model's maximum context length is 64 tokens. However, you requested 1000000002 tokens (2 in the messages, 1000000000 in the completion).",
  },
  {
    title: 'max_completion_tokens beyond the context',
    body: chatBody({ max_completion_tokens: 63 }),
    code: 'context_length_exceeded',
    param: 'max_completion_tokens',
    message:
      "This model's maximum context length is 64 tokens. However, you requested 65 tokens (2 in the messages, 63 in the completion).",
  },
  {
    title: "max_tokens over the operator's limit",
    body: chatBody({ max_tokens: 51 }),
    param: 'max_tokens',
    message: "Invalid 'max_tokens': expected at most 50.",
  },
  {
    title: 'max_tokens that is no integer',
    body: chatBody({ max_tokens: 1.5 }),
    param: 'max_tokens',
    message: "Invalid 'max_tokens': expected an integer but received number.",
  },
  {
    title: 'both names of max_tokens with different values',
    body: chatBody({ max_tokens: 1, max_completion_tokens: 2 }),
    param: 'max_tokens',
    message: "Invalid 'max_tokens': expected it or 'max_completion_tokens', not two different values.",
  },
  {
    title: 'a temperature out of range',
    body: chatBody({ temperature: 2.5 }),
    param: 'temperature',
    message: "Invalid 'temperature': too big: expected number to be <=2.",
  },
  {
    title: 'a negative top_p',
    body: chatBody({ top_p: -1 }),
    param: 'top_p',
    message: "Invalid 'top_p': too small: expected number to be >=0.",
  },
  {
    title: 'five stop strings',
    body: chatBody({ stop: ['a', 'b', 'c', 'd', 'e'] }),
    param: 'stop',
    message: "Invalid 'stop': too big: expected array to have <=4 items.",
  },
  {
    title: 'an empty stop string',
    body: chatBody({ stop: '' }),
    param: 'stop',
    message: "Invalid 'stop': too small: expected string to have >=1 characters.",
  },
  { title: 'n over the limit', body: chatBody({ n: 17 }), param: 'n', message: "Invalid 'n': expected at most 16." },
  {
    title: 'n of 0',
    body: chatBody({ n: 0 }),
    param: 'n',
    message: "Invalid 'n': too small: expected number to be >=1.",
  },
  {
    title: 'a seed beyond exact integers',
    body: chatBody({ seed: 2 ** 60 }),
    param: 'seed',
    message: `Invalid 'seed': too big: expected int to be <=9007199254740991.`,
  },
  {
    title: 'a biased token that the model lacks',
    body: chatBody({ logit_bias: { 300: 1 } }),
    param: 'logit_bias.300',
    message: "Invalid 'logit_bias.300': the model has 257 tokens.",
  },
  {
    title: 'a bias for no token',
    body: chatBody({ logit_bias: { x: 1 } }),
    param: 'logit_bias.x',
    message: "Invalid 'logit_bias.x': invalid key in record.",
  },
  {
    title: 'a bias out of range',
    body: chatBody({ logit_bias: { 5: 101 } }),
    param: 'logit_bias.5',
    message: "Invalid 'logit_bias.5': too big: expected number to be <=100.",
  },
  {
    title: 'top_logprobs without logprobs',
    body: chatBody({ top_logprobs: 2 }),
    param: 'top_logprobs',
    message: "Invalid 'top_logprobs': expected 'logprobs' to be true with it.",
  },
  {
    title: '21 top_logprobs',
    body: chatBody({ logprobs: true, top_logprobs: 21 }),
    param: 'top_logprobs',
    message: "Invalid 'top_logprobs': too big: expected number to be <=20.",
  },
  {
    title: 'stream_options without stream',
    body: chatBody({ stream_options: { include_usage: true } }),
    param: 'stream_options',
    message: "Invalid 'stream_options': expected 'stream' to be true with it.",
  },
  {
    title: 'an unknown field',
    body: chatBody({ tempature: 1 }),
    param: 'tempature',
    message: "Unrecognized request argument supplied: 'tempature'.",
  },
  {
    title: 'a field called __proto__',
    body: `{"model":"tiny","messages":[{"role":"user","content":"Hi"}],"__proto__":{"n":2}}`,
    param: '__proto__',
    message: "Unrecognized request argument supplied: '__proto__'.",
  },
  {
    title: 'tools',
    body: chatBody({ tools: [{ type: 'function' }] }),
    code: 'unsupported_parameter',
    param: 'tools',
    message: "Unsupported parameter: 'tools' is not supported.",
  },
  {
    title: 'a JSON schema',
    body: chatBody({ response_format: { type: 'json_schema' } }),
    code: 'unsupported_parameter',
    param: 'response_format.type',
    message: "Unsupported parameter: 'response_format.type' is not supported.",
  },
  {
    title: 'stored completions',
    body: chatBody({ store: true }),
    code: 'unsupported_parameter',
    param: 'store',
    message: "Unsupported parameter: 'store' is not supported.",
  },
  {
    title: 'no prompt',
    path: TEXT,
    body: { model: 'tiny' },
    param: 'prompt',
    message: "Invalid 'prompt': expected string or array but received nothing.",
  },
  {
    title: 'an empty prompt',
    path: TEXT,
    body: { model: 'tiny', prompt: '' },
    param: 'prompt',
    message: "Invalid 'prompt': expected at least one token.",
  },
  {
    title: 'two prompts',
    path: TEXT,
    body: { model: 'tiny', prompt: ['a', 'b'] },
    param: 'prompt',
    message: "Invalid 'prompt': too big: expected array to have exactly 1 items.",
  },
  {
    title: 'a token that the model lacks',
    path: TEXT,
    body: { model: 'tiny', prompt: [1, 257] },
    param: 'prompt',
    message: "Invalid 'prompt': token 257 is not one of the model's 257 tokens.",
  },
  {
    title: 'echo',
    path: TEXT,
    body: { model: 'tiny', prompt: 'a', echo: true },
    code: 'unsupported_parameter',
    param: 'echo',
    message: "Unsupported parameter: 'echo' is not supported.",
  },
  {
    title: 'a suffix',
    path: TEXT,
    body: { model: 'tiny', prompt: 'a', suffix: 'b' },
    code: 'unsupported_parameter',
    param: 'suffix',
    message: "Unsupported parameter: 'suffix' is not supported.",
  },
  {
    title: 'best_of',
    path: TEXT,
    body: { model: 'tiny', prompt: 'a', best_of: 2 },
    code: 'unsupported_parameter',
    param: 'best_of',
    message: "Unsupported parameter: 'best_of' is not supported.",
  },
]);

test('accepts values that ask for nothing, and null for what is not given', async () => {
  const gateway = await createScriptedGateway();
  const nothing = {
    tools: [],
    store: false,
    stop: null,
    seed: null,
    n: null,
    response_format: { type: 'text' },
    metadata: null,
  };
  assert.equal((await gateway.post(CHAT, chatBody(nothing))).status, 200);
  const text = { model: 'tiny', prompt: ['a'], echo: false, best_of: 1, suffix: null, logprobs: null };
  assert.equal((await gateway.post(TEXT, text)).status, 200);
});
