import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refuseUnsuitableFormats } from '../../../workers/model/check-formats.ts';
import type { CheckpointIndex, IndexedTensor } from '../../../workers/model/checkpoint-index.ts';
import { dbrx } from '../../../workers/model/families/dbrx.ts';
import { planWeights, sourcedSections } from '../../../workers/model/plan-weights.ts';
import { activationsOf, tabulateFormats, type WeightFormats } from '../../../workers/model/stored-model.ts';
import { tensorsOf } from '../../../workers/model/weight-plan.ts';
import { SMALL_OUTLINE } from './small-model.ts';

const W1 = 'transformer.blocks.1.ffn.experts.mlp.w1';
const W2 = 'transformer.blocks.1.ffn.experts.mlp.w2';
const NORM = 'transformer.blocks.0.norm_attn_norm.norm_1.weight';
const ROUTER = 'transformer.blocks.1.ffn.router.layer.weight';

function tensor(dtype: string, shape: readonly number[]): IndexedTensor {
  return { path: '/m/model.safetensors', dtype, shape, offset: 0, bytes: 0 };
}

/** An index with all tensors of the small model, then `changes`; undefined takes a tensor away. */
function indexWith(changes: Readonly<Record<string, IndexedTensor | undefined>>): CheckpointIndex {
  const sections = sourcedSections(dbrx, SMALL_OUTLINE, () => false);
  const whole = sections.flatMap(({ content }) => tensorsOf(content));
  const tensors = new Map(whole.map((one) => [one.tensor, tensor('BF16', one.tensorShape)]));
  for (const [name, changed] of Object.entries(changes)) {
    if (changed === undefined) tensors.delete(name);
    else tensors.set(name, changed);
  }
  return { folder: '/m', sources: ['/m/model.safetensors'], tensors };
}

function check(changes: Readonly<Record<string, IndexedTensor | undefined>>): WeightFormats {
  const index = indexWith(changes);
  const sections = planWeights(dbrx, SMALL_OUTLINE, index);
  const formats = tabulateFormats(sections);
  refuseUnsuitableFormats(index, sections, activationsOf(formats));
  return formats;
}

/** All tensors in one dtype but those named. */
function inAll(dtype: string, others: Readonly<Record<string, string>>): Readonly<Record<string, IndexedTensor>> {
  const { tensors } = indexWith({});
  return Object.fromEntries([...tensors].map(([name, { shape }]) => [name, tensor(others[name] ?? dtype, shape)]));
}

test('a section has the format of its matrix, whatever that of the norms and of other matrices', () => {
  assert.deepEqual(check({}), { '*': 'bf16' });
  assert.deepEqual(check({ [NORM]: tensor('F32', [60]) }), { '*': 'bf16' });
  assert.deepEqual(check({ [ROUTER]: tensor('F32', [3, 60]) }), { '*': 'bf16', 'router/1': 'f32' });
});

test('rotary frequencies that older exports stored are not missed', () => {
  const frequencies = 'transformer.blocks.0.norm_attn_norm.attn.rotary_emb.inv_freq';
  assert.deepEqual(check({ [frequencies]: tensor('F32', [5]) }), { '*': 'bf16' });
});

const refused: readonly (readonly [string, Readonly<Record<string, IndexedTensor | undefined>>, string])[] = [
  ['a missing tensor', { [W1]: undefined }, `/m/model.safetensors: tensor "${W1}" of shape [111, 60] is missing`],
  [
    'a misshapen tensor',
    { [W1]: tensor('BF16', [60, 111]) },
    `/m/model.safetensors: tensor "${W1}" has shape [60, 111], expected [111, 60]`,
  ],
  [
    'gate and up of different formats',
    { [W1]: tensor('F16', [111, 60]) },
    `/m: tensor "transformer.blocks.1.ffn.experts.mlp.v1" is bf16 but "${W1}" is f16: expected one format for gate and up`,
  ],
  [
    'experts of f32 in a model of bf16',
    { [W2]: tensor('F32', [111, 60]) },
    `/m/model.safetensors: tensor "${W2}" is f32, expected bf16 for the MLPs of a model whose weights are mostly bf16`,
  ],
  [
    'a matrix of bf16 in a model of f32',
    inAll('F32', { [ROUTER]: 'BF16' }),
    `/m/model.safetensors: tensor "${ROUTER}" is bf16, expected f32 or f16 as most weights of this model are`,
  ],
  [
    'a dtype that is not read',
    { [NORM]: tensor('I8', [60]) },
    `/m/model.safetensors: tensor "${NORM}" has dtype I8, expected F32, F16 or BF16`,
  ],
  [
    'a tensor that the maths would leave out',
    { 'transformer.blocks.0.norm_attn_norm.attn.Wqkv.bias': tensor('BF16', [100]) },
    '/m/model.safetensors: tensor "transformer.blocks.0.norm_attn_norm.attn.Wqkv.bias" is not part of this model',
  ],
];

for (const [what, changes, message] of refused) {
  test(`refuses ${what}`, () => {
    assert.throws(() => check(changes), { code: 'bad_checkpoint', message });
  });
}
