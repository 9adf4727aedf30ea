import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { exportGguf } from '../../../workers/gguf/export-gguf.ts';
import { describeCheckpoint } from '../../../workers/model/describe-checkpoint.ts';
import { openCheckpoint } from '../../../workers/model/open-checkpoint.ts';
import type { MatrixSource } from '../../../workers/model/weight-plan.ts';
import { syntheticModel } from '../../synthetic-model.ts';
import { temporaryFolder } from '../../temporary-folder.ts';
import { SMALL_OUTLINE } from '../../unit/model/small-outline.ts';
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
  const { family, description, index } = await describeCheckpoint(folder);
  const checkpoint = openCheckpoint(index);
  context.after(() => checkpoint.close());
  const same = (name: string, slice: number, matrix: MatrixSource): void => {
    const source = checkpoint.tensor(matrix.tensor);
    for (const [o, i] of [
      [0, 0],
      [1, 0],
      [0, 1],
      [matrix.outputs - 1, 3],
      [matrix.outputs - 1, matrix.inputs - 1],
    ] as const) {
      const element = matrix.first + o * matrix.outputStride + i * matrix.inputStride;
      const bits = Buffer.from(source.file.read(source.offset + 2 * element, 2)).readUInt16LE();
      assert.equal(bitsAt(file, name, slice, o, i), bits, `${name} of ${slice} at ${o}, ${i}`);
    }
  };
  const names: Record<string, string[]> = {
    embedding: ['token_embd.weight'],
    wqkv: ['blk.*.attn_qkv.weight'],
    wo: ['blk.*.attn_output.weight'],
    router: ['blk.*.ffn_gate_inp.weight'],
    lmHead: ['output.weight'],
    gateUp: ['blk.*.ffn_gate_exps.weight', 'blk.*.ffn_up_exps.weight'],
    down: ['blk.*.ffn_down_exps.weight'],
  };
  const compare = (expert: number, sections: ReturnType<typeof family.sharedSections>): void => {
    for (const { role, layer, content } of sections) {
      if (content.kind === 'vector') continue;
      for (const [position, matrix] of (content.kind === 'rows' ? [content.source] : content.sources).entries()) {
        same((names[role]?.[position] ?? role).replace('*', String(layer)), expert, matrix);
      }
    }
  };
  compare(0, family.sharedSections(description));
  for (let expert = 0; expert < description.router.experts; expert += 1) {
    compare(expert, family.expertSections(description, expert));
  }
});

test('the file says what llama.cpp needs to know of a dbrx model', async (context) => {
  const folder = await syntheticModel(await temporaryFolder(context), 'model');
  const { metadata } = await exported(folder);
  const { attention, router, expert } = SMALL_OUTLINE;
  const expected = {
    'general.architecture': 'dbrx',
    'dbrx.block_count': SMALL_OUTLINE.layers,
    'dbrx.embedding_length': SMALL_OUTLINE.dModel,
    'dbrx.feed_forward_length': expert.ffn,
    'dbrx.attention.head_count': attention.heads,
    'dbrx.attention.head_count_kv': attention.kvHeads,
    'dbrx.attention.clamp_kqv': attention.clipQkv ?? 0,
    'dbrx.expert_count': router.experts,
    'dbrx.expert_used_count': router.topK,
  };
  for (const [key, value] of Object.entries(expected)) assert.equal(metadata.get(key), value, key);
  const tokens = metadata.get('tokenizer.ggml.tokens');
  assert.ok(Array.isArray(tokens));
  assert.equal(tokens.length, SMALL_OUTLINE.vocab);
});

test('a tokenizer of another kind is refused, naming the file', async (context) => {
  const folder = await syntheticModel(await temporaryFolder(context), 'model');
  const path = join(folder, 'tokenizer.json');
  const tokenizer = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(path, JSON.stringify({ ...tokenizer, model: { ...tokenizer.model, type: 'Unigram' } }));
  await assert.rejects(
    exportGguf(folder, `${folder}.gguf`, () => undefined),
    /tokenizer\.json is no byte-level BPE/,
  );
});
