import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GgufData } from '../../../workers/gguf/gguf-cursor.ts';
import { GgufEntries } from '../../../workers/gguf/gguf-entries.ts';
import { importedArchitecture, importedName } from '../../../workers/gguf/import-architectures.ts';
import { readRopeScaling } from '../../../workers/gguf/import-rope.ts';
import { halvesOfHeads } from '../../../workers/gguf/import-tensor.ts';
import { importTokenizer } from '../../../workers/gguf/import-tokenizer.ts';

function entriesOf(values: Readonly<Record<string, GgufData>>): GgufEntries {
  const metadata = new Map(Object.entries({ 'general.architecture': 'llama', ...values }));
  return new GgufEntries({ path: '/m/model.gguf', metadata });
}

test('rows of heads whose neighbours rotate together become halves', () => {
  // Two heads of six rows of one byte each: first, middle, second, ...
  const rows = Uint8Array.of(0, 3, 1, 4, 2, 5, 10, 13, 11, 14, 12, 15);
  assert.deepEqual([...halvesOfHeads(rows, 1, 2)], [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15]);
});

test('a Llama with experts is a Mixtral', () => {
  const mixtral = importedArchitecture(entriesOf({ 'llama.expert_count': 8 }));
  assert.deepEqual(importedName('blk.3.ffn_up_exps.weight', mixtral), {
    module: 'model.layers.3.block_sparse_moe.switch_mlp.up_proj',
    part: 'weight',
  });
  const dense = importedArchitecture(entriesOf({}));
  assert.equal(importedName('blk.3.ffn_up_exps.weight', dense), null);
  assert.deepEqual(importedName('output_norm.weight', dense), { module: 'model.norm', part: 'weight' });
});

test('an architecture that is not imported is refused with those that are', () => {
  assert.throws(() => importedArchitecture(entriesOf({ 'general.architecture': 'deepseek2' })), {
    code: 'bad_checkpoint',
    message: /^\/m\/model\.gguf: the architecture "deepseek2" is not imported from GGUF, only llama, qwen2, /,
  });
});

test("Llama 3's rotary factors become its numbers, and other factors are refused", () => {
  const entries = entriesOf({ 'llama.rope.freq_base': 500_000 });
  const factors = Float32Array.from({ length: 64 }, (_, index) => {
    const length = 2 * Math.PI * 500_000 ** (index / 64);
    if (length < 2048) return 1;
    if (length > 8192) return 8;
    const smooth = (8192 / length - 1) / 3;
    return 1 / ((1 - smooth) / 8 + smooth);
  });
  assert.deepEqual(readRopeScaling(entries, factors), {
    rope_type: 'llama3',
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  });
  factors[40] = 3;
  assert.throws(() => readRopeScaling(entries, factors), {
    message: /rope_freqs\.weight" is not the table of Llama 3/,
  });
});

test('SentencePiece: pairs are merged in the order of the scores of their wholes', () => {
  const { tokenizer, endTokenIds } = importTokenizer(
    entriesOf({
      'tokenizer.ggml.model': 'llama',
      'tokenizer.ggml.tokens': ['<unk>', '<s>', '</s>', 'a', 'b', 'ab', 'aba', 'ba'],
      'tokenizer.ggml.scores': [0, 0, 0, -10, -11, -2, -1, -3],
      'tokenizer.ggml.token_type': [2, 3, 3, 1, 1, 1, 1, 1],
      'tokenizer.ggml.bos_token_id': 1,
      'tokenizer.ggml.eos_token_id': 2,
    }),
  );
  const model = tokenizer['model'] as { merges: string[][]; unk_token: string; byte_fallback: boolean };
  assert.deepEqual(model.merges, [
    ['a', 'ba'],
    ['ab', 'a'],
    ['a', 'b'],
    ['b', 'a'],
  ]);
  assert.equal(model.unk_token, '<unk>');
  assert.deepEqual(endTokenIds, [2]);
});

test('a way to split text that is not known is refused', () => {
  const values = {
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'tekken',
    'tokenizer.ggml.tokens': ['a'],
    'tokenizer.ggml.merges': [],
  };
  assert.throws(() => importTokenizer(entriesOf(values)), {
    code: 'bad_checkpoint',
    message: /"tokenizer\.ggml\.pre" is "tekken", expected a known way to split text/,
  });
});
