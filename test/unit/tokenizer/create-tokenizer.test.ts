// Every implementation of the tokenizer seam: same ids, same text, and no control token out of a client's text.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createTokenizer, createTokenizerWith } from '../../../infra/tokenizer/create-tokenizer.ts';
import { createJavaScriptEngine } from '../../../infra/tokenizer/javascript-engine.ts';
import type { Tokenizer } from '../../../infra/tokenizer/tokenizer.ts';
import { byteLevelJson, filesOf, llamaJson } from './tiny-tokenizers.ts';

const SEED = 20250623;
const parsed = { specials: 'parsed', addPromptTokens: false } as const;
const plain = { specials: 'text', addPromptTokens: false } as const;
const javascript = (json: string) => createTokenizerWith(filesOf(json), createJavaScriptEngine);

const tokenizers: readonly (readonly [string, Tokenizer, string])[] = [
  ['byte-level, native', await createTokenizer(filesOf(byteLevelJson())), '<|im_end|>'],
  ['byte-level, JavaScript', await javascript(byteLevelJson()), '<|im_end|>'],
  ['llama, native', await createTokenizer(filesOf(llamaJson())), '</s>'],
  ['llama, JavaScript', await javascript(llamaJson()), '</s>'],
  ['built-in DBRX', await createTokenizer(filesOf(null, { family: 'dbrx' })), '<|im_end|>'],
];

const anyText = fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => text.replace(/[\uFDD0\uFFFD]/gu, ''));

for (const [name, tokenizer, special] of tokenizers) {
  test(`${name}: decoding what was encoded gives the text back`, async () => {
    await fc.assert(
      fc.asyncProperty(anyText, async (text) => {
        assert.equal(tokenizer.decode(await tokenizer.encode(text, plain)), text);
      }),
      { seed: SEED, numRuns: 200 },
    );
  });

  test(`${name}: text that spells a special token becomes it only when specials are parsed`, async () => {
    const id = tokenizer.addedTokens.find((token) => token.text === special)?.id ?? -1;
    const text = `hello ${special} world`;
    assert.ok((await tokenizer.encode(text, parsed)).includes(id));
    const ids = await tokenizer.encode(text, plain);
    assert.ok(!ids.includes(id));
    assert.equal(tokenizer.decode(ids), text);
  });

  test(`${name}: text never yields a special token, however its parts are cut`, async () => {
    const names = tokenizer.addedTokens.filter((token) => token.special).map((token) => token.text);
    const special = new Set(tokenizer.addedTokens.filter((token) => token.special).map((token) => token.id));
    const piece = fc.oneof(fc.constantFrom(...names, ...names.map((text) => text.slice(1)), '<', '\uFDD0'), anyText);
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 6 }), async (pieces) => {
        const ids = await tokenizer.encode(pieces.join(''), plain);
        assert.deepEqual(
          ids.filter((id) => special.has(id)),
          [],
        );
      }),
      { seed: SEED, numRuns: 200 },
    );
  });

  test(`${name}: ordinary text has the same ids in both modes`, async () => {
    await fc.assert(
      fc.asyncProperty(anyText, async (text) => {
        fc.pre(!tokenizer.addedTokens.some((token) => text.includes(token.text)));
        assert.deepEqual(await tokenizer.encode(text, plain), await tokenizer.encode(text, parsed));
      }),
      { seed: SEED, numRuns: 100 },
    );
  });

  test(`${name}: the bytes of the tokens are the bytes of the text`, async () => {
    const text = ' hello 你好 😀!';
    const bytes = Buffer.concat((await tokenizer.encode(text, plain)).map((id) => tokenizer.tokenBytes(id)));
    assert.equal(bytes.toString('utf8').trimStart(), text.trimStart());
  });

  test(`${name}: ids beyond the vocabulary and special tokens decode to nothing`, () => {
    const id = tokenizer.addedTokens.find((token) => token.special)?.id ?? -1;
    assert.equal(tokenizer.decode([id, tokenizer.vocabSize, tokenizer.vocabSize + 70]), '');
    assert.equal(tokenizer.decode([]), '');
    assert.ok(tokenizer.isSilent(id) && tokenizer.isSilent(tokenizer.vocabSize));
    assert.equal(tokenizer.tokenBytes(tokenizer.vocabSize).length, 0);
  });
}

for (const json of [byteLevelJson(), llamaJson()]) {
  test(`both libraries agree on every text, ${json.length} bytes of tokenizer.json`, async () => {
    const [native, oracle] = [await createTokenizer(filesOf(json)), await javascript(json)];
    const text = fc.array(fc.oneof(fc.constantFrom('hello', ' world', '<|im_end|>', '</s>', '\n\n', '😀'), anyText));
    await fc.assert(
      fc.asyncProperty(
        text.map((parts) => parts.join('')),
        fc.constantFrom(parsed, plain),
        async (whole, options) => {
          const ids = await native.encode(whole, options);
          assert.deepEqual(await oracle.encode(whole, options), ids);
          assert.equal(oracle.decode(ids), native.decode(ids));
          assert.equal(oracle.vocabSize, native.vocabSize);
        },
      ),
      { seed: SEED, numRuns: 300 },
    );
  });
}

test('a raw prompt gets the bos token that the tokenizer puts before it', async () => {
  const tokenizer = await createTokenizer(filesOf(llamaJson()));
  const ids = await tokenizer.encode('hello', { specials: 'parsed', addPromptTokens: true });
  assert.equal(ids[0], 1);
  assert.deepEqual(ids.slice(1), await tokenizer.encode('hello', parsed));
});

test('DBRX without tokenizer.json has the ids of GPT-4 and its own special tokens', async () => {
  const tokenizer = await createTokenizer(filesOf(null, { family: 'dbrx' }));
  assert.deepEqual(await tokenizer.encode('hello world', parsed), [15339, 1917]);
  assert.deepEqual(
    await tokenizer.encode('<|im_start|><|im_end|><|pad|><|endoftext|>', parsed),
    [100278, 100279, 100277, 100257],
  );
  assert.equal(tokenizer.vocabSize, 100280);
  assert.deepEqual(tokenizer.eosIds, [100257, 100279]);
});

test('eos ids are those of generation_config.json and of eos_token together', async () => {
  const files = filesOf(byteLevelJson(), {
    generationConfigJson: JSON.stringify({ eos_token_id: [3, 4] }),
    tokenizerConfigJson: JSON.stringify({ eos_token: { content: '<|im_end|>', lstrip: false } }),
  });
  const tokenizer = await createTokenizer(files);
  const end = tokenizer.addedTokens.find((token) => token.text === '<|im_end|>')?.id;
  assert.deepEqual(tokenizer.eosIds, [3, 4, end]);
});

test('eos ids are those of config.json where generation_config.json is missing or has none', async () => {
  const eosIds = async (generation: object | null, model: object) => {
    const generationConfigJson = generation && JSON.stringify(generation);
    return (await createTokenizer(filesOf(llamaJson(), { generationConfigJson, configJson: JSON.stringify(model) })))
      .eosIds;
  };
  assert.deepEqual(await eosIds(null, { eos_token_id: 2 }), [2]);
  assert.deepEqual(await eosIds({ temperature: 1 }, { eos_token_id: [2, 5] }), [2, 5]);
  assert.deepEqual(await eosIds({ eos_token_id: null }, { text_config: { eos_token_id: 4 } }), [4]);
  assert.deepEqual(
    await eosIds({ eos_token_id: 3 }, { eos_token_id: 2 }),
    [3],
    'generation_config.json is the later word',
  );
  assert.deepEqual(await eosIds(null, { eos_token_id: null }), []);
});

test('eos_token is taken from special_tokens_map.json when tokenizer_config.json has none', async () => {
  const files = filesOf(llamaJson(), {
    tokenizerConfigJson: JSON.stringify({ eos_token: null }),
    specialTokensMapJson: JSON.stringify({ eos_token: '</s>' }),
  });
  assert.deepEqual((await createTokenizer(files)).eosIds, [2]);
});

const broken: readonly (readonly [string, Parameters<typeof createTokenizer>[0], RegExp])[] = [
  [
    'no tokenizer.json',
    filesOf(null),
    /^tokenizer.json is missing, which models of family test need; copy the file again/,
  ],
  ['text that is no JSON', filesOf('{'), /^tokenizer.json is not valid JSON; copy the file again/],
  ['no model', filesOf('{}'), /^tokenizer.json: model: /],
  ['a Unigram model', filesOf('{"model":{"type":"Unigram"}}'), /^tokenizer.json: model.type: Unigram is not supported/],
  ['a model without merges', filesOf('{"model":{"type":"BPE","vocab":{}}}'), /^tokenizer.json: /],
  [
    'an added token without id',
    filesOf('{"model":{},"added_tokens":[{"content":"a","special":true}]}'),
    /^tokenizer.json: added_tokens.0.id: /,
  ],
  [
    'a broken configuration',
    filesOf(llamaJson(), { tokenizerConfigJson: '[' }),
    /^tokenizer_config.json is not valid JSON/,
  ],
  [
    'a bos_token that is no text',
    filesOf(llamaJson(), { tokenizerConfigJson: '{"bos_token":7}' }),
    /^tokenizer_config.json: bos_token: /,
  ],
  [
    'an eos id that is no id',
    filesOf(llamaJson(), { generationConfigJson: '{"eos_token_id":-1}' }),
    /^generation_config.json: eos_token_id: /,
  ],
  [
    'an end token of config.json that is no id',
    filesOf(llamaJson(), { configJson: '{"eos_token_id":"</s>"}' }),
    /^config.json: eos_token_id: /,
  ],
  [
    'an eos token outside the vocabulary',
    filesOf(llamaJson(), { tokenizerConfigJson: '{"eos_token":"<end>"}' }),
    /^tokenizer_config.json: eos_token "<end>" is not in the tokenizer's vocabulary; copy the file again/,
  ],
];

for (const [what, files, message] of broken) {
  test(`refuses ${what} with an error that names the file`, async () => {
    await assert.rejects(createTokenizer(files), { code: 'bad_tokenizer', message });
  });
}
