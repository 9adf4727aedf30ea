import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { WeightRole } from '../../../native/weight-sections.ts';
import { exportGguf } from '../../../workers/gguf/export-gguf.ts';
import { describeCheckpoint } from '../../../workers/model/describe-checkpoint.ts';
import { openCheckpoint } from '../../../workers/model/open-checkpoint.ts';
import { type MatrixSource, matricesOf, wholeMatrix } from '../../../workers/model/weight-plan.ts';
import { syntheticModel } from '../../synthetic-model.ts';
import { temporaryFolder } from '../../temporary-folder.ts';
import { SMALL_SIZES } from '../../unit/model/small-model.ts';
import { type ReadGguf, readGguf } from './read-gguf.ts';

const BF16 = 30;
const F32 = 0;

async function exported(folder: string): Promise<ReadGguf> {
  const path = `${folder}.gguf`;
  const bytes = await exportGguf(folder, path, () => undefined);
  const file = readGguf(path);
  assert.equal(file.bytes.length, bytes);
  return file;
}

/** Element (o, i) of the file's matrix number `slice`, as bf16 bits. */
function bitsAt({ tensors, bytes }: ReadGguf, name: string, slice: number, o: number, i: number): number {
  const tensor = tensors.get(name);
  assert.ok(tensor !== undefined, name);
  const [inputs = 0, outputs = 0] = tensor.dimensions;
  const index = (slice * outputs + o) * inputs + i;
  if (tensor.type === BF16) return bytes.readUInt16LE(tensor.at + 2 * index);
  assert.equal(tensor.type, F32, name);
  assert.equal(bytes.readUInt16LE(tensor.at + 4 * index), 0, `${name} widens bf16`);
  return bytes.readUInt16LE(tensor.at + 4 * index + 2);
}

test('every matrix of the file is the matrix of the checkpoint', async (context) => {
  const folder = await syntheticModel(await temporaryFolder(context), 'model');
  const file = await exported(folder);
  const { sections, index } = await describeCheckpoint(folder);
  const checkpoint = openCheckpoint(index);
  context.after(() => checkpoint.close());
  const bitsOf = (matrix: MatrixSource, o: number, i: number): number => {
    const source = checkpoint.tensor(matrix.tensor);
    const element = matrix.first + o * matrix.outputStride + i * matrix.inputStride;
    return Buffer.from(source.file.read(source.offset + 2 * element, 2)).readUInt16LE();
  };
  const same = (name: string, slice: number, matrix: MatrixSource): void => {
    for (const [o, i] of [
      [0, 0],
      [1, 0],
      [0, 1],
      [matrix.outputs - 1, 3],
      [matrix.outputs - 1, matrix.inputs - 1],
    ] as const) {
      assert.equal(bitsAt(file, name, slice, o, i), bitsOf(matrix, o, i), `${name} of ${slice} at ${o}, ${i}`);
    }
  };
  const names: Partial<Record<WeightRole, string[]>> = {
    embedding: ['token_embd.weight'],
    attentionOutput: ['blk.*.attn_output.weight'],
    router: ['blk.*.ffn_gate_inp.weight'],
    lmHead: ['output.weight'],
    gateUp: ['blk.*.ffn_gate_exps.weight', 'blk.*.ffn_up_exps.weight'],
    down: ['blk.*.ffn_down_exps.weight'],
  };
  for (const { role, layer, expert, content } of sections) {
    for (const [position, matrix] of matricesOf(content).entries()) {
      const name = names[role]?.[position]?.replace('*', String(layer));
      if (name !== undefined) same(name, expert ?? 0, matrix);
    }
  }
  // Wqkv is whole in both.
  const { heads, kvHeads, dModel } = SMALL_SIZES;
  const rows = (heads + 2 * kvHeads) * (dModel / heads);
  for (let layer = 0; layer < SMALL_SIZES.layers; layer += 1) {
    const whole = wholeMatrix(`transformer.blocks.${layer}.norm_attn_norm.attn.Wqkv.weight`, rows, dModel);
    for (const first of [0, 60, 80, 99]) {
      const last = { ...whole, outputs: rows - first, first: first * dModel };
      assert.equal(bitsAt(file, `blk.${layer}.attn_qkv.weight`, 0, first, 1), bitsOf(last, 0, 1));
    }
  }
});

test('the file says what llama.cpp needs to know of a dbrx model', async (context) => {
  const folder = await syntheticModel(await temporaryFolder(context), 'model');
  const { metadata } = await exported(folder);
  const { layers, dModel, ffn, heads, kvHeads, experts, topK, vocab } = SMALL_SIZES;
  const expected = {
    'general.architecture': 'dbrx',
    'dbrx.block_count': layers,
    'dbrx.embedding_length': dModel,
    'dbrx.feed_forward_length': ffn,
    'dbrx.attention.head_count': heads,
    'dbrx.attention.head_count_kv': kvHeads,
    'dbrx.attention.clamp_kqv': 8,
    'dbrx.expert_count': experts,
    'dbrx.expert_used_count': topK,
  };
  for (const [key, value] of Object.entries(expected)) assert.equal(metadata.get(key), value, key);
  const tokens = metadata.get('tokenizer.ggml.tokens');
  assert.ok(Array.isArray(tokens));
  assert.equal(tokens.length, vocab);
});

test('a Qwen3-MoE model has its own names and numbers, and a family without a mapping is refused', async (context) => {
  const home = await temporaryFolder(context);
  const sizes = { ...SMALL_SIZES, headDim: 12 };
  const { metadata, tensors } = await exported(await syntheticModel(home, 'qwen', { like: 'qwen3_moe', sizes }));
  const expected = {
    'general.architecture': 'qwen3moe',
    'qwen3moe.attention.key_length': 12,
    'qwen3moe.expert_feed_forward_length': sizes.ffn,
    'qwen3moe.expert_count': sizes.experts,
  };
  for (const [key, value] of Object.entries(expected)) assert.equal(metadata.get(key), value, key);
  const shapes = ['attn_q.weight', 'attn_k_norm.weight', 'ffn_norm.weight', 'ffn_down_exps.weight'].map(
    (name) => tensors.get(`blk.1.${name}`)?.dimensions,
  );
  assert.deepEqual(shapes, [[60, 72], [12], [60], [37, 60, 3]]);

  const other = await syntheticModel(home, 'other', { like: 'olmoe' });
  await assert.rejects(
    exportGguf(other, `${other}.gguf`, () => undefined),
    { message: 'Only dbrx and qwen3_moe models can be exported to GGUF, but this one is olmoe' },
  );
});

test('a tokenizer of another kind is refused, naming the file', async (context) => {
  const folder = await syntheticModel(await temporaryFolder(context), 'model');
  const path = join(folder, 'tokenizer.json');
  const tokenizer = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(path, JSON.stringify({ ...tokenizer, model: { ...tokenizer.model, type: 'Unigram' } }));
  await assert.rejects(
    exportGguf(folder, `${folder}.gguf`, () => undefined),
    /tokenizer\.json is not a byte-level BPE/,
  );
});
