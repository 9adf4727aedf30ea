import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkTensors } from '../../../workers/model/check-tensors.ts';
import type { CheckpointIndex, IndexedTensor } from '../../../workers/model/checkpoint-index.ts';
import { dbrx } from '../../../workers/model/dbrx.ts';
import { allSections } from '../../../workers/model/describe-checkpoint.ts';
import { matricesOf } from '../../../workers/model/weight-plan.ts';
import { SMALL_OUTLINE } from './small-outline.ts';

const PLAN = allSections(dbrx, SMALL_OUTLINE);
const W1 = 'transformer.blocks.1.ffn.experts.mlp.w1';
const NORM = 'transformer.blocks.0.norm_attn_norm.norm_1.weight';

function tensor(dtype: string, shape: readonly number[]): IndexedTensor {
  return { path: '/m/model.safetensors', dtype, shape, offset: 0, bytes: 0 };
}

/** An index with all tensors of the small model, then `changes`; undefined takes a tensor away. */
function indexWith(changes: Readonly<Record<string, IndexedTensor | undefined>>): CheckpointIndex {
  const tensors = new Map<string, IndexedTensor>();
  for (const { content } of PLAN) {
    if (content.kind === 'vector') tensors.set(content.source.tensor, tensor('BF16', [content.source.length]));
    for (const matrix of matricesOf(content)) tensors.set(matrix.tensor, tensor('BF16', matrix.tensorShape));
  }
  for (const [name, changed] of Object.entries(changes)) {
    if (changed === undefined) tensors.delete(name);
    else tensors.set(name, changed);
  }
  return { folder: '/m', sources: ['/m/model.safetensors'], tensors };
}

function check(changes: Readonly<Record<string, IndexedTensor | undefined>>): string {
  return checkTensors(indexWith(changes), PLAN, dbrx.unreadTensors);
}

test('a complete checkpoint has the dtype of its matrices, whatever that of its norms', () => {
  assert.equal(check({}), 'bf16');
  assert.equal(check({ [NORM]: tensor('F32', [60]) }), 'bf16');
});

test('rotary frequencies that older exports stored are not missed', () => {
  assert.equal(check({ 'transformer.blocks.0.norm_attn_norm.attn.rotary_emb.inv_freq': tensor('F32', [5]) }), 'bf16');
});

const refused: readonly (readonly [string, Readonly<Record<string, IndexedTensor | undefined>>, string])[] = [
  ['a missing tensor', { [W1]: undefined }, `/m/model.safetensors: tensor "${W1}" of shape [111, 60] is missing`],
  [
    'a misshapen tensor',
    { [W1]: tensor('BF16', [60, 111]) },
    `/m/model.safetensors: tensor "${W1}" has shape [60, 111], expected [111, 60]`,
  ],
  [
    'a matrix of another dtype than the others',
    { [W1]: tensor('F16', [111, 60]) },
    `/m: tensor "${W1}" is f16 but "transformer.wte.weight" is bf16: expected one dtype for all matrices`,
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
