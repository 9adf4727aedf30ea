import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createChatTemplate, encodeChat } from '../../../infra/tokenizer/chat-template.ts';
import { createTokenizer } from '../../../infra/tokenizer/create-tokenizer.ts';
import type { Tokenizer } from '../../../infra/tokenizer/tokenizer.ts';
import type { TokenizerFiles } from '../../../infra/tokenizer/tokenizer-files.ts';
import { synthesizeTokenizer } from '../../../workers/model/synthetic-tokenizer.ts';

const SEED = 20_509;
const AS_TEXT = { specials: 'text', addPromptTokens: false } as const;

function filesOf(vocab: number): TokenizerFiles {
  const { tokenizer, config, endTokenIds } = synthesizeTokenizer(vocab, 512);
  return {
    family: 'dbrx',
    tokenizerJson: JSON.stringify(tokenizer),
    tokenizerConfigJson: JSON.stringify(config),
    specialTokensMapJson: null,
    generationConfigJson: JSON.stringify({ eos_token_id: endTokenIds }),
    chatTemplate: null,
  };
}

async function roundTrips(tokenizer: Tokenizer, text: string): Promise<void> {
  assert.equal(tokenizer.decode(await tokenizer.encode(text, AS_TEXT)), text);
}

for (const vocab of [260, 300, 1001, 32_000]) {
  test(`a vocabulary of ${vocab} is exactly that large and encodes any text`, async () => {
    const tokenizer = await createTokenizer(filesOf(vocab));
    assert.equal(tokenizer.vocabSize, vocab);
    const property = fc.asyncProperty(fc.string({ unit: 'grapheme' }), (text) => roundTrips(tokenizer, text));
    await fc.assert(property, { seed: SEED, numRuns: 60 });
  });
}

test('English takes fewer tokens than bytes, and fewer the larger the vocabulary', async () => {
  const text = 'The quick brown fox jumps over the lazy dog, then it returns home.';
  const lengths = await Promise.all(
    [260, 1001, 32_000].map(
      async (vocab) => (await (await createTokenizer(filesOf(vocab))).encode(text, AS_TEXT)).length,
    ),
  );
  assert.equal(lengths[0], text.length);
  assert.ok(lengths[0] > (lengths[1] ?? 0) * 1.4 && (lengths[1] ?? 0) > (lengths[2] ?? 0), lengths.join(' '));
});

test('chats are ChatML, whose end of turn ends the text', async () => {
  const files = filesOf(300);
  const tokenizer = await createTokenizer(files);
  const template = createChatTemplate(files, tokenizer);
  assert.ok(template !== null);
  const ids = await encodeChat(tokenizer, template, {
    messages: [{ role: 'user', content: 'Hi' }],
    tools: null,
    addGenerationPrompt: true,
  });
  const turnStart = 298;
  const turnEnd = 299;
  const newline = await tokenizer.encode('\n', AS_TEXT);
  assert.deepEqual(ids.slice(-1), newline);
  assert.equal(ids.filter((id) => id === turnStart).length, 2);
  assert.equal(ids.filter((id) => id === turnEnd).length, 1);
  assert.deepEqual([...tokenizer.eosIds].sort(), [296, turnEnd]);
});

test('a vocabulary that cannot hold all bytes is our own mistake', () => {
  assert.throws(() => synthesizeTokenizer(259, 512), new TypeError('vocab must be at least 260'));
});
