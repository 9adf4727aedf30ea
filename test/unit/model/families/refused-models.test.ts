// What the families refuse: each names the key or the tensor, and what is expected instead.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FAMILIES } from '../../../../workers/model/families/model-families.ts';
import { planWeights } from '../../../../workers/model/plan-weights.ts';
import { familyNamed, type IndexChanges, indexOf, outlineWith, tensor } from './family-checkpoint.ts';

type Keys = Readonly<Record<string, unknown>>;

const HARMLESS = 'an unknown key, which could change what the model computes';

const refusedConfigs: readonly (readonly [what: string, modelType: string, keys: Keys, message: string])[] = [
  [
    'heads that do not divide',
    'qwen3_moe',
    { num_key_value_heads: 4 },
    '"num_key_value_heads" is 4: expected a divisor of num_attention_heads (6)',
  ],
  [
    'a width of no whole head',
    'llama',
    { head_dim: null, num_attention_heads: 7, num_key_value_heads: 7 },
    '"num_attention_heads" is 7: expected a divisor of hidden_size (60), or a "head_dim"',
  ],
  ['an odd head', 'mixtral', { head_dim: 15 }, '"head_dim" is 15: expected an even number'],
  [
    'more chosen experts than there are',
    'mixtral',
    { num_experts_per_tok: 7 },
    '"num_experts_per_tok" is 7: expected at most the number of experts (6)',
  ],
  [
    'two numbers of experts',
    'qwen3_moe',
    { num_local_experts: 8 },
    '"num_local_experts" is 8: "num_experts" is 6, expected the same value in both',
  ],
  ['another activation', 'qwen2', { hidden_act: 'gelu' }, '"hidden_act" is "gelu": only "silu" is supported'],
  [
    'a list of layers that is too short',
    'qwen2',
    { layer_types: ['full_attention', 'sliding_attention'] },
    '"layer_types" is ["full_attention","sliding_attention"]: expected 3 entries, one for each of num_hidden_layers',
  ],
  [
    'a kind of layer',
    'gpt_oss',
    { layer_types: ['full_attention', 'linear_attention', 'full_attention'] },
    '"layer_types.1" is "linear_attention": supported are: full_attention, sliding_attention',
  ],
  [
    'a dense layer that is not there',
    'qwen3_moe',
    { mlp_only_layers: [1, 3] },
    '"mlp_only_layers" is [1,3]: expected numbers below num_hidden_layers',
  ],
  [
    'groups that do not divide the experts',
    'glm4_moe',
    { n_group: 4, topk_group: 2 },
    '"n_group" is 4: expected a divisor of the 6 experts',
  ],
  [
    'groups of too few experts',
    'glm4_moe',
    { n_group: 3, topk_group: 1, num_experts_per_tok: 3 },
    '"topk_group" is 1: expected groups with at least 3 experts together',
  ],
  [
    'another score',
    'glm4_moe',
    { scoring_func: 'softmax' },
    '"scoring_func" is "softmax": only "sigmoid" is supported',
  ],
  [
    'linear attention',
    'minimax_m2',
    { attn_type_list: [1, 0, 1] },
    '"attn_type_list.1" is 0: only 1, attention over all positions, is supported',
  ],
  [
    'a list of attentions that is too short',
    'minimax_m2',
    { attn_type_list: [1] },
    '"attn_type_list" is [1]: expected 3 entries, one for each of num_hidden_layers',
  ],
  [
    'a shared MLP',
    'minimax_m2',
    { shared_intermediate_size: 128 },
    '"shared_intermediate_size" is 128: only 0 is supported',
  ],
  ['a third expert', 'phimoe', { num_experts_per_tok: 3 }, '"num_experts_per_tok" is 3: SparseMixer chooses 2'],
  [
    'layers with other experts',
    'hunyuan_v1_moe',
    { moe_topk: [2, 2, 1] },
    '"moe_topk" is [2,2,1]: expected the same for all layers',
  ],
  [
    'a list of experts that is too short',
    'hunyuan_v1_moe',
    { num_experts: [6, 6] },
    '"num_experts" is [6,6]: expected 3 entries, one for each of num_hidden_layers',
  ],
  [
    'two shared experts',
    'hunyuan_v1_moe',
    { num_shared_expert: [2, 2, 2] },
    '"num_shared_expert" is 2: only 1 is supported',
  ],
  [
    'keys and values of other layers',
    'hunyuan_v1_moe',
    { use_cla: true },
    '"use_cla" is true: only false is supported',
  ],
  [
    'part of each head rotated',
    'llama',
    { partial_rotary_factor: 0.5 },
    '"partial_rotary_factor" is 0.5: only 1 is supported',
  ],
  [
    'a kind of rotary table',
    'llama',
    { rope_scaling: { rope_type: 'proportional' } },
    '"rope_scaling.rope_type" is "proportional": supported are: default, linear, dynamic, llama3, yarn, longrope',
  ],
  [
    'a rotary table without its factor',
    'qwen3',
    { rope_parameters: { rope_type: 'linear' } },
    '"rope_parameters.factor" is missing: a table of type "linear" needs it',
  ],
  [
    'a table of factors that is too short',
    'phimoe',
    { rope_scaling: { type: 'longrope', short_factor: [1], long_factor: [1] } },
    '"rope_scaling.short_factor" is [1]: expected 10 numbers, one for each pair of dimensions',
  ],
  [
    'rotary tables for kinds of layers',
    'gpt_oss',
    { rope_parameters: { full_attention: { rope_type: 'default' } } },
    `"rope_parameters.full_attention" is {"rope_type":"default"}: ${HARMLESS}`,
  ],
  [
    'two rotary bases',
    'qwen3',
    { rope_parameters: { rope_theta: 1 } },
    '"rope_parameters.rope_theta" is 1: "rope_theta" is 1000000, expected the same value in both',
  ],
  [
    'two rotary tables',
    'qwen3',
    { rope_parameters: { rope_type: 'default' }, rope_scaling: { type: 'linear', factor: 2 } },
    '"rope_scaling" is {"type":"linear","factor":2}: expected the same as "rope_parameters", or one of them alone',
  ],
];

for (const [what, modelType, keys, message] of refusedConfigs) {
  test(`${modelType}: refuses ${what}`, () => {
    assert.throws(() => outlineWith(modelType, keys), { code: 'bad_config', message: `config.json: ${message}` });
  });
}

test('every family refuses a key that it does not have, by name', () => {
  for (const { modelType } of FAMILIES) {
    const head = modelType === 'dbrx' ? { head_dim: undefined } : {};
    assert.throws(() => outlineWith(modelType, { ...head, attention_gate: true }), {
      code: 'bad_config',
      message: `config.json: "attention_gate" is true: ${HARMLESS}`,
    });
  }
});

const EXPERT = 'model.layers.1.mlp.experts.2';
const refusedTensors: readonly (readonly [what: string, modelType: string, changes: IndexChanges, message: string])[] =
  [
    [
      'a gate of another width than up',
      'qwen3_moe',
      { [`${EXPERT}.gate_proj.weight`]: tensor([40, 60]) },
      `/m/model.safetensors: tensor "${EXPERT}.gate_proj.weight" has shape [40, 60], expected [38, 60]`,
    ],
    [
      'a missing expert',
      'qwen3_moe',
      { [`${EXPERT}.up_proj.weight`]: undefined },
      `/m/model.safetensors: tensor "${EXPERT}.up_proj.weight" of shape [38, 60] is missing`,
    ],
    [
      'a missing shared expert',
      'qwen2_moe',
      { 'model.layers.2.mlp.shared_expert.down_proj.weight': undefined },
      '/m/model.safetensors: tensor "model.layers.2.mlp.shared_expert.down_proj.weight" of shape [60, 76] is missing',
    ],
    [
      'a bias that its config denies',
      'mixtral',
      { 'model.layers.0.self_attn.q_proj.bias': tensor([120]) },
      '/m/model.safetensors: tensor "model.layers.0.self_attn.q_proj.bias" is not part of this model',
    ],
    [
      'more layers than its config has',
      'qwen3',
      { 'model.layers.3.input_layernorm.weight': tensor([60]) },
      '/m/model.safetensors: tensor "model.layers.3.input_layernorm.weight" is not part of this model',
    ],
    [
      'a missing lm_head',
      'llama',
      { 'lm_head.weight': undefined },
      '/m/model.safetensors: tensor "lm_head.weight" of shape [301, 60] is missing',
    ],
    [
      'experts whose matrices are not transposed',
      'gpt_oss',
      { 'model.layers.0.mlp.experts.gate_up_proj': tensor([6, 76, 60]) },
      '/m/model.safetensors: tensor "model.layers.0.mlp.experts.gate_up_proj" has shape [6, 76, 60], expected [6, 60, 76]',
    ],
  ];

for (const [what, modelType, changes, message] of refusedTensors) {
  test(`${modelType}: refuses ${what}`, () => {
    const [family, model] = [familyNamed(modelType), outlineWith(modelType)];
    const refusal = () => planWeights(family, model, indexOf(family, model, changes));
    assert.throws(refusal, { code: 'bad_checkpoint', message });
  });
}

test('glm4_moe: layers after its own, which guess further tokens, are not missed', () => {
  const [family, model] = [familyNamed('glm4_moe'), outlineWith('glm4_moe')];
  const further = { 'model.layers.3.eh_proj.weight': tensor([60, 120]) };
  assert.ok(planWeights(family, model, indexOf(family, model, further)).length > 0);
});

test('a tied model may also have an lm_head of the same shape, whose contents are compared when packs are built', () => {
  const family = familyNamed('qwen3');
  const model = outlineWith('qwen3', { tie_word_embeddings: true });
  const plan = (shape: readonly number[]) =>
    planWeights(family, model, indexOf(family, model, { 'lm_head.weight': tensor(shape) }));
  assert.ok(!plan([301, 60]).some(({ role }) => role === 'embedding'));
  assert.throws(() => plan([302, 60]), {
    code: 'bad_checkpoint',
    message: /"lm_head\.weight" has shape \[302, 60\], expected \[301, 60\]/,
  });
});
