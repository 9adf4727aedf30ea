// Encoder processes are real ones here; what they must survive is in test/integration/gateway/long-prompts.test.ts.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { plainConversation } from '../../../gateway/conversation/conversation.ts';
import { ENCODER_LIMITS, PromptEncoders } from '../../../gateway/models/prompt-encoders.ts';
import { refuseTooManyBytes } from '../../../gateway/models/prompt-size.ts';
import { bytesOfToken, longestToken, tokenTable } from '../../../gateway/models/token-table.ts';
import { createLogger } from '../../../infra/log/logger.ts';
import { createChatTemplate, encodeChat } from '../../../infra/tokenizer/chat-template.ts';
import { createTokenizer } from '../../../infra/tokenizer/create-tokenizer.ts';
import { readTokenizerFiles, type TokenizerFiles } from '../../../infra/tokenizer/tokenizer-files.ts';
import { REPOSITORY_ROOT } from '../../repository-root.ts';
import { byteLevelJson, filesOf, llamaJson } from '../tokenizer/tiny-tokenizers.ts';

const silent = createLogger('test', 'silent');
const closing: (() => void)[] = [];
after(() => {
  for (const close of closing) close();
});

function encodersOf(files: TokenizerFiles, changes: { maxContext?: number; heapMiB?: number } = {}): PromptEncoders {
  const { maxContext = 100_000, heapMiB = ENCODER_LIMITS.heapMiB } = changes;
  const model = { kind: 'load', name: 'tiny', files, maxContext, scriptMs: 1_000 } as const;
  const encoders = new PromptEncoders(model, silent, { ...ENCODER_LIMITS, heapMiB });
  closing.push(() => encoders.stop());
  return encoders;
}

const say = (content: string) =>
  ({ kind: 'chat', conversation: plainConversation([{ role: 'user', content }]) }) as const;
const CHATML = '{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}';
const withTemplate = (chatTemplate: string) => filesOf(byteLevelJson(), { chatTemplate });

const FILES: readonly (readonly [string, TokenizerFiles])[] = [
  ['byte-level', withTemplate(CHATML)],
  ['llama', filesOf(llamaJson(), { chatTemplate: CHATML })],
  ['built-in DBRX', filesOf(null, { family: 'dbrx' })],
  ['demo model', await readTokenizerFiles(join(REPOSITORY_ROOT, 'models', 'demo'), 'dbrx')],
];
const text = fc
  .array(fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('<|im_end|>', '\ufdd0', ' ', '\n', 'hello world')))
  .map((parts) => parts.join(''));

for (const [name, files] of FILES) {
  test(`${name}: a process gives the tokens that the tokenizer gives`, async () => {
    const encoders = encodersOf(files);
    const tokenizer = await createTokenizer(files);
    const template = createChatTemplate(files, tokenizer);
    assert.ok(template !== null);
    const parsed = { specials: 'parsed', addPromptTokens: true } as const;
    const check = async (content: string) => {
      const input = { messages: [{ role: 'user', content }], tools: null, addGenerationPrompt: true };
      const chat = await encoders.encode(say(content), 'a');
      assert.deepEqual([...chat.ids], await encodeChat(tokenizer, template, input));
      const plain = await encoders.encode({ kind: 'text', text: content }, 'a');
      assert.deepEqual([...plain.ids], await tokenizer.encode(content, parsed));
    };
    await fc.assert(fc.asyncProperty(text, check), { numRuns: 100, seed: 5 });
    const { table } = await encoders.load();
    for (let id = 0; id < tokenizer.vocabSize + 2; id += 1) {
      assert.deepEqual([...bytesOfToken(table, id)], [...tokenizer.tokenBytes(id)]);
    }
  });
}

test('refuses by size what has too many bytes for any tokens, and nothing else', async () => {
  const tokenizer = await createTokenizer(filesOf(null, { family: 'dbrx' }));
  const longest = longestToken(tokenTable(tokenizer));
  const size = { maxContext: 100, longestToken: longest };
  const spaces = ' '.repeat(longest * 99);
  assert.equal((await tokenizer.encode(spaces, { specials: 'text', addPromptTokens: false })).length, 99);
  refuseTooManyBytes(spaces.length, 'text', size);
  assert.throws(() => refuseTooManyBytes(spaces.length + 1, 'text', size), {
    code: 'context_length_exceeded',
    param: 'prompt',
    message:
      /^This model's maximum context length is 100 tokens\. However, your prompt resulted in at least 100 tokens\./,
  });
});

test('what a template renders is refused by size as well', async () => {
  const encoders = encodersOf(withTemplate('{% for i in range(1000) %}{{ messages[0].content }}{% endfor %}'), {
    maxContext: 50,
  });
  await assert.rejects(encoders.encode(say('hello'), 'a'), { code: 'context_length_exceeded', param: 'messages' });
});

test('a long text of too many tokens is refused without encoding all of it', async () => {
  const encoders = encodersOf(filesOf(byteLevelJson()), { maxContext: 20_000 });
  const refused = /resulted in at least (\d+) tokens/;
  // One token per byte. Two windows of 160,000 characters would be twice as many tokens.
  const refusal = await encoders.encode({ kind: 'text', text: 'x'.repeat(400_000) }, 'a').then(
    () => assert.fail('expected a refusal'),
    (error: Error) => error.message,
  );
  assert.match(refusal, refused);
  assert.ok(Number(refused.exec(refusal)?.[1]) <= 160_000);
});

test('a template that takes too long with these messages is a 400, and serves others', async () => {
  const slow = "{% if messages[0].content == 'slow' %}{% for i in range(1000000000) %}{% endfor %}{% endif %}hello";
  const encoders = encodersOf(withTemplate(slow));
  await assert.rejects(encoders.encode(say('slow'), 'a'), { code: 'invalid_request', param: 'messages' });
  assert.ok((await encoders.encode(say('fast'), 'a')).ids.length > 0);
});

const HOSTILE: readonly (readonly [string, string])[] = [
  ['a loop without end', '{% for i in range(1000000000) %}{% endfor %}'],
  ['loops in loops', '{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}'],
  [
    'a string that doubles',
    "{% set s = namespace(x='ab') %}{% for i in range(60) %}{% set s.x = s.x + s.x %}{% endfor %}{{ s.x }}",
  ],
];
for (const [name, template] of HOSTILE) {
  test(`a template with ${name} is the server's fault, and text is still encoded`, async () => {
    const encoders = encodersOf(withTemplate(template));
    await assert.rejects(encoders.encode(say('Hi'), 'a'), { code: 'bad_tokenizer', message: /'tiny'/ });
    await assert.rejects(encoders.encode(say('Hi'), 'a'), { code: 'bad_tokenizer' });
    assert.ok((await encoders.encode({ kind: 'text', text: 'hello' }, 'a')).ids.length > 0);
  });
}

test('a template that exhausts memory ends its process only', async () => {
  const greedy =
    '{% set all = namespace(x=[]) %}{% for i in range(100) %}{% set all.x = all.x + range(1000000) %}{% endfor %}';
  const encoders = encodersOf(withTemplate(greedy), { heapMiB: 64 });
  await assert.rejects(encoders.encode(say('Hi'), 'a'), { code: 'bad_tokenizer', message: /'tiny'/ });
  assert.ok((await encoders.encode({ kind: 'text', text: 'hello' }, 'a')).ids.length > 0);
});

/** `(a|aa)+c` over text without c: the library aborts its process when it has tried too often. */
function hostilePattern(): string {
  const json = JSON.parse(byteLevelJson());
  const split = { type: 'Split', pattern: { Regex: '(?:a|aa)+c' }, behavior: 'Isolated', invert: false };
  return JSON.stringify({ ...json, pre_tokenizer: { type: 'Sequence', pretokenizers: [split, json.pre_tokenizer] } });
}

test('a pattern that aborts the native library refuses the prompt that triggers it, and no other', async () => {
  const encoders = encodersOf(filesOf(hostilePattern()));
  const fatal = encoders.encode({ kind: 'text', text: `${'a'.repeat(50)}!` }, 'a');
  const others = ['hello', 'world', 'hello world'].map((words) => encoders.encode({ kind: 'text', text: words }, 'b'));
  await assert.rejects(fatal, { code: 'invalid_request', param: 'prompt', message: /could not be tokenized/ });
  for (const { ids } of await Promise.all(others)) assert.ok(ids.length > 0);
});

test('a tokenizer.json that is refused is named', async () => {
  const encoders = encodersOf(filesOf('{"model":{"type":"Unigram"}}'));
  await assert.rejects(encoders.load(), { code: 'bad_tokenizer', message: /^tokenizer\.json: model\.type/ });
});
