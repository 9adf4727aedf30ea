// What each family's config means: the parts of a description in which families differ.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Block } from '../../../../native/model-description.ts';
import { outlineWith } from './family-checkpoint.ts';

function blockOf(modelType: string, keys: Readonly<Record<string, unknown>> = {}, layer = 0): Block {
  const { blocks, blockOfLayer } = outlineWith(modelType, keys);
  const block = blocks[blockOfLayer[layer] ?? -1];
  assert.ok(block !== undefined);
  return block;
}

function moeOf(modelType: string, keys: Readonly<Record<string, unknown>> = {}, layer = 0) {
  const { mlp } = blockOf(modelType, keys, layer);
  assert.ok(mlp.kind === 'moe');
  return mlp;
}

const kindsOf = (modelType: string, keys: Readonly<Record<string, unknown>>) => {
  const { blocks, blockOfLayer } = outlineWith(modelType, keys);
  return blockOfLayer.map((kind) => blocks[kind]?.mlp.kind);
};

const windowsOf = (modelType: string, keys: Readonly<Record<string, unknown>>) => {
  const { blocks, blockOfLayer } = outlineWith(modelType, keys);
  return blockOfLayer.map((kind) => blocks[kind]?.attention.window);
};

test('norms of queries and keys: of each head or of all, before the rotation or after it', () => {
  const normOf = (modelType: string, keys = {}) => {
    const { queryKeyNorm } = blockOf(modelType, keys, 2).attention;
    return queryKeyNorm === null ? null : [queryKeyNorm.extent, queryKeyNorm.place];
  };
  assert.deepEqual(normOf('qwen3_moe'), ['head', 'before_rotation']);
  assert.deepEqual(normOf('qwen3'), ['head', 'before_rotation']);
  assert.deepEqual(normOf('olmoe'), ['projection', 'before_rotation']);
  assert.deepEqual(normOf('minimax_m2'), ['projection', 'before_rotation']);
  assert.deepEqual(normOf('hunyuan_v1_moe'), ['head', 'after_rotation']);
  assert.deepEqual(normOf('glm4_moe', { use_qk_norm: true }), ['head', 'before_rotation']);
  for (const other of ['glm4_moe', 'mixtral', 'qwen2_moe', 'gpt_oss', 'llama']) assert.equal(normOf(other), null);
});

test('biases of projections', () => {
  const biasesOf = (modelType: string, keys = {}) => {
    const { queryKeyValueBias, outputBias } = blockOf(modelType, keys, 2).attention;
    return [queryKeyValueBias, outputBias];
  };
  for (const both of ['qwen3_moe', 'qwen3', 'olmoe', 'llama', 'granitemoe', 'hunyuan_v1_moe', 'gpt_oss', 'phimoe']) {
    assert.deepEqual(biasesOf(both, { attention_bias: true }), [true, true], both);
    assert.deepEqual(biasesOf(both, { attention_bias: false }), [false, false], both);
  }
  assert.deepEqual(biasesOf('glm4_moe', { attention_bias: true }), [true, false]);
  assert.deepEqual(biasesOf('qwen2'), [true, false]);
  assert.deepEqual(biasesOf('qwen2_moe'), [true, false]);
  assert.deepEqual(biasesOf('qwen2_moe', { qkv_bias: false }), [false, false]);
  // ERNIE's experts have none, whatever the others have.
  const ernie = outlineWith('ernie4_5_moe', { use_bias: true });
  const { shared, expert } = moeOf('ernie4_5_moe', { use_bias: true }, 2);
  assert.deepEqual([ernie.head.bias, shared?.mlp.bias, expert.bias], [true, true, false]);
  assert.deepEqual(biasesOf('ernie4_5_moe', { use_bias: true }), [true, true]);
  const { mlp } = blockOf('llama', { mlp_bias: true });
  assert.ok(mlp.kind === 'dense' && mlp.mlp.bias);
});

test('routers', () => {
  const usual = { experts: 6, topK: 2, bias: false, choiceBias: false, groups: null, normalization: null, scale: 1 };
  const routerOf = (modelType: string, keys = {}) => moeOf(modelType, keys, 2).router;
  const softmax = { ...usual, scores: { kind: 'softmax' } };
  assert.deepEqual(routerOf('mixtral'), { ...softmax, normalization: { epsilon: 0, minimum: 0 } });
  assert.deepEqual(routerOf('hunyuan_v1_moe'), { ...softmax, normalization: { epsilon: 0, minimum: 0 } });
  for (const choosing of ['qwen3_moe', 'qwen2_moe', 'olmoe']) {
    assert.deepEqual(routerOf(choosing, { norm_topk_prob: true }), {
      ...softmax,
      normalization: { epsilon: 0, minimum: 0 },
    });
    assert.deepEqual(routerOf(choosing, { norm_topk_prob: false }), softmax);
  }
  assert.deepEqual(routerOf('ernie4_5_moe'), {
    ...softmax,
    choiceBias: true,
    normalization: { epsilon: 0, minimum: 1e-12 },
  });
  const sigmoid = { ...usual, scores: { kind: 'sigmoid' }, choiceBias: true };
  assert.deepEqual(routerOf('minimax_m2'), { ...sigmoid, normalization: { epsilon: 0, minimum: 0 } });
  assert.deepEqual(routerOf('glm4_moe', { routed_scaling_factor: 2.5, n_group: 3, topk_group: 2 }), {
    ...sigmoid,
    ...{ normalization: { epsilon: 1e-20, minimum: 0 }, scale: 2.5, groups: { count: 3, chosen: 2 } },
  });
  assert.deepEqual(routerOf('gpt_oss'), { ...usual, bias: true, scores: { kind: 'softmax_of_chosen' } });
  assert.deepEqual(routerOf('granitemoe'), { ...usual, scores: { kind: 'softmax_of_chosen' } });
  const sparse = { kind: 'sparse_mixer', threshold: 0.04 };
  assert.deepEqual(routerOf('phimoe', { router_jitter_noise: 0.02 }), { ...usual, scores: sparse });
});

test('shared experts', () => {
  const sharedOf = (modelType: string, keys = {}) => {
    const { shared } = moeOf(modelType, keys, 2);
    return shared === null ? null : [shared.mlp.width, shared.gate];
  };
  assert.deepEqual(sharedOf('qwen2_moe'), [76, true]);
  assert.deepEqual(sharedOf('glm4_moe', { n_shared_experts: 2 }), [76, false]);
  assert.deepEqual(sharedOf('ernie4_5_moe', { moe_num_shared_experts: 3 }), [114, false]);
  assert.deepEqual(sharedOf('hunyuan_v1_moe'), [38, false]);
  for (const none of ['qwen3_moe', 'mixtral', 'olmoe', 'minimax_m2', 'gpt_oss', 'granitemoe', 'phimoe']) {
    assert.equal(sharedOf(none), null);
  }
  assert.equal(sharedOf('ernie4_5_moe', { moe_num_shared_experts: 0 }), null);
});

test('which layers are dense', () => {
  assert.deepEqual(kindsOf('glm4_moe', { first_k_dense_replace: 2 }), ['dense', 'dense', 'moe']);
  assert.deepEqual(kindsOf('qwen3_moe', { decoder_sparse_step: 2 }), ['dense', 'moe', 'dense']);
  assert.deepEqual(kindsOf('qwen2_moe', { mlp_only_layers: [1] }), ['moe', 'dense', 'moe']);
  const first = { moe_layer_start_index: 0 };
  assert.deepEqual(kindsOf('ernie4_5_moe', first), ['moe', 'moe', 'moe']);
  assert.deepEqual(kindsOf('ernie4_5_moe', { ...first, moe_layer_end_index: 1 }), ['moe', 'moe', 'dense']);
  assert.deepEqual(kindsOf('ernie4_5_moe', { ...first, moe_layer_interval: 2 }), ['dense', 'moe', 'dense']);
});

test('which layers see a window', () => {
  assert.deepEqual(windowsOf('gpt_oss', { sliding_window: 8 }), [8, null, 8]);
  const types = ['full_attention', 'sliding_attention', 'full_attention'];
  assert.deepEqual(windowsOf('gpt_oss', { sliding_window: 8, layer_types: types }), [null, 8, null]);
  for (const modelType of ['mixtral', 'mistral', 'phimoe']) {
    assert.deepEqual(windowsOf(modelType, { sliding_window: 8 }), [8, 8, 8]);
    assert.deepEqual(windowsOf(modelType, { sliding_window: null }), [null, null, null]);
  }
  const slides = { use_sliding_window: true, sliding_window: 8 };
  assert.deepEqual(windowsOf('qwen3_moe', slides), [8, 8, 8]);
  assert.deepEqual(windowsOf('qwen3', { ...slides, max_window_layers: 2 }), [null, null, 8]);
  assert.deepEqual(windowsOf('qwen2', { ...slides, layer_types: types }), [null, 8, null]);
  assert.deepEqual(windowsOf('qwen2_moe', { ...slides, max_window_layers: 2 }), [8, null, null]);
  for (const modelType of ['qwen2', 'qwen3', 'qwen2_moe', 'qwen3_moe']) {
    const off = { use_sliding_window: false, sliding_window: 8, max_window_layers: 0 };
    assert.deepEqual(windowsOf(modelType, off), [null, null, null]);
  }
});

test('the norms of gpt-oss and Phi are computed otherwise than the others', () => {
  const epsilon = 1e-5;
  assert.deepEqual(blockOf('mixtral').mlpNorm, { kind: 'rms', epsilon, bias: false, roundsBeforeWeight: true });
  assert.deepEqual(blockOf('gpt_oss').mlpNorm, { kind: 'rms', epsilon, bias: false, roundsBeforeWeight: false });
  assert.deepEqual(blockOf('phimoe').mlpNorm, { kind: 'layer', epsilon, bias: true, roundsBeforeWeight: false });
});

test('multipliers of Granite, clips of OLMoE, the activation of gpt-oss, the bias of lm_head', () => {
  const keys = { embedding_multiplier: 12, logits_scaling: 8, residual_multiplier: 0.2, attention_multiplier: 0.25 };
  const granite = outlineWith('granitemoe', keys);
  assert.equal(granite.embeddingScale, 12);
  assert.deepEqual(granite.head, { tied: true, bias: false, scale: 0.125, softCap: null });
  assert.deepEqual([granite.blocks[0]?.residualScale, granite.blocks[0]?.attention.scale], [0.2, 0.25]);
  assert.equal(blockOf('olmoe', { clip_qkv: 8 }).attention.clip, 8);
  const { expert } = moeOf('gpt_oss', { swiglu_limit: 6 });
  assert.deepEqual(expert, { width: 38, activation: { kind: 'clamped_swiglu', limit: 6, alpha: 1.702 }, bias: true });
  assert.equal(blockOf('gpt_oss').attention.sinks, true);
  assert.equal(outlineWith('phimoe', { lm_head_bias: true }).head.bias, true);
});
