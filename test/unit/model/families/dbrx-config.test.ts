import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DomainError } from '../../../../infra/errors/domain-error.ts';
import { dbrx } from '../../../../workers/model/families/dbrx.ts';
import { FAMILIES, familyOf } from '../../../../workers/model/families/model-families.ts';
import { parseModelConfig, readModelConfig } from '../../../../workers/model/read-model-config.ts';
import type { ModelOutline } from '../../../../workers/model/section-shapes.ts';

const SEED = 20_507;

/** databricks/dbrx-instruct, as first published. */
const PUBLISHED = {
  architectures: ['DbrxForCausalLM'],
  attn_config: { clip_qkv: 8, kv_n_heads: 8, model_type: '', rope_theta: 500000 },
  auto_map: { AutoConfig: 'configuration_dbrx.DbrxConfig', AutoModelForCausalLM: 'modeling_dbrx.DbrxForCausalLM' },
  d_model: 6144,
  emb_pdrop: 0.0,
  ffn_config: {
    ffn_hidden_size: 10752,
    model_type: '',
    moe_jitter_eps: 0,
    moe_loss_weight: 0.05,
    moe_num_experts: 16,
    moe_top_k: 4,
  },
  initializer_range: 0.02,
  max_seq_len: 32768,
  model_type: 'dbrx',
  n_heads: 48,
  n_layers: 40,
  output_router_logits: false,
  resid_pdrop: 0.0,
  router_aux_loss_coef: 0.05,
  tie_word_embeddings: false,
  torch_dtype: 'bfloat16',
  transformers_version: '4.38.2',
  use_cache: true,
  vocab_size: 100352,
};

function outlineOf(config: object): ModelOutline {
  const parsed = parseModelConfig(JSON.stringify(config), 'config.json');
  return familyOf(parsed).outline(parsed);
}

/** The numbers of a DBRX outline, whose one kind of block all layers have. */
function numbersOf(model: ModelOutline) {
  const { dModel, vocab, maxContext, blockOfLayer } = model;
  const [block, ...others] = model.blocks;
  assert.ok(block?.mlp.kind === 'moe' && others.length === 0 && blockOfLayer.every((kind) => kind === 0));
  const { attention, mlp } = block;
  const { heads, kvHeads, headDim, clip, rotary } = attention;
  const { experts, topK, normalization } = mlp.router;
  return {
    ...{ layers: blockOfLayer.length, dModel, vocab, maxContext },
    ...{ heads, kvHeads, headDim, clip, theta: rotary?.table.theta },
    ...{ experts, topK, normalization, ffn: mlp.expert.width },
  };
}

test('describes DBRX as published', () => {
  const norm = { kind: 'layer', epsilon: 1e-5, bias: false, roundsBeforeWeight: false } as const;
  assert.deepEqual(outlineOf(PUBLISHED), {
    family: 'dbrx',
    dModel: 6144,
    vocab: 100352,
    maxContext: 32768,
    embeddingScale: 1,
    blocks: [
      {
        attentionNorm: norm,
        attention: {
          kind: 'gqa',
          heads: 48,
          kvHeads: 8,
          headDim: 128,
          scale: Math.fround(1 / Math.fround(Math.sqrt(128))),
          queryKeyValueBias: false,
          outputBias: false,
          queryKeyNorm: null,
          clip: 8,
          rotary: { table: { kind: 'default', theta: 500000 }, dims: 128, pairing: 'halves' },
          window: null,
          sinks: false,
        },
        mlpNorm: norm,
        mlp: {
          kind: 'moe',
          router: {
            experts: 16,
            topK: 4,
            bias: false,
            scores: { kind: 'softmax' },
            choiceBias: false,
            groups: null,
            normalization: { epsilon: 0, minimum: 0 },
            scale: 1,
          },
          expert: { width: 10752, activation: { kind: 'silu' }, bias: false },
          shared: null,
        },
        residualScale: 1,
      },
    ],
    blockOfLayer: new Array<number>(40).fill(0),
    finalNorm: norm,
    head: { tied: false, bias: false, scale: 1, softCap: null },
  });
});

test("takes transformers' defaults for what is left out", () => {
  assert.deepEqual(numbersOf(outlineOf({ model_type: 'dbrx' })), {
    ...{ layers: 24, dModel: 2048, vocab: 32000, maxContext: 2048 },
    ...{ heads: 16, kvHeads: 1, headDim: 128, clip: null, theta: 10000 },
    ...{ experts: 4, topK: 1, normalization: { epsilon: 0, minimum: 0 }, ffn: 3584 },
  });
});

test("reads transformers' general names", () => {
  const config = {
    model_type: 'dbrx',
    hidden_size: 512,
    num_attention_heads: 8,
    num_hidden_layers: 3,
    max_position_embeddings: 77,
  };
  const { dModel, layers, maxContext, heads } = numbersOf(outlineOf(config));
  assert.deepEqual([dModel, layers, maxContext, heads], [512, 3, 77, 8]);
});

test('takes theta from where transformers 5 or DBRX itself put it', () => {
  const theta = (config: object) => numbersOf(outlineOf({ model_type: 'dbrx', ...config })).theta;
  assert.equal(theta({ rope_parameters: { rope_theta: 3e5, rope_type: 'default' } }), 3e5);
  assert.equal(theta({ attn_config: { rope_theta: 4e5 } }), 4e5);
  assert.equal(theta({ rope_theta: 5e5, rope_scaling: null }), 5e5);
});

test('leaves router weights as they are when they are not normalised', () => {
  const config = { model_type: 'dbrx', ffn_config: { moe_normalize_expert_weights: null } };
  assert.equal(numbersOf(outlineOf(config)).normalization, null);
});

const refused: readonly (readonly [string, object, string])[] = [
  [
    'another family',
    { model_type: 'rwkv' },
    `"model_type" is "rwkv": supported are: ${FAMILIES.map(({ modelType }) => modelType).join(', ')}`,
  ],
  ['no family', { model_type: null }, '"model_type" is null: expected the name of a model family'],
  [
    'another activation',
    { ffn_config: { ffn_act_fn: { name: 'gelu' } } },
    '"ffn_config.ffn_act_fn.name" is "gelu": only "silu" is supported',
  ],
  [
    'another norm of the router',
    { ffn_config: { moe_normalize_expert_weights: 2 } },
    '"ffn_config.moe_normalize_expert_weights" is 2: only 1 (L1 norm) and null (none) are supported',
  ],
  [
    'uniform routing',
    { ffn_config: { uniform_expert_assignment: true } },
    '"ffn_config.uniform_expert_assignment" is true: only false is supported',
  ],
  [
    'rope scaling',
    { rope_scaling: { type: 'linear', factor: 2 } },
    '"rope_scaling" is {"type":"linear","factor":2}: rope scaling is not supported',
  ],
  [
    'another kind of rope',
    { rope_parameters: { rope_theta: 1e4, rope_type: 'yarn' } },
    '"rope_parameters.rope_type" is "yarn": only "default" is supported, no rope scaling',
  ],
  [
    'a partial rotation',
    { rope_parameters: { rope_theta: 1e4, partial_rotary_factor: 0.5 } },
    '"rope_parameters.partial_rotary_factor" is 0.5: only 1 is supported',
  ],
  [
    'two thetas',
    { rope_parameters: { rope_theta: 1e4 }, attn_config: { rope_theta: 5e5 } },
    '"attn_config.rope_theta" is 500000: "rope_parameters.rope_theta" is 10000, expected the same value in both',
  ],
  [
    'two widths',
    { d_model: 64, hidden_size: 32 },
    '"hidden_size" is 32: "d_model" is 64, expected the same value in both',
  ],
  [
    'tied embeddings',
    { tie_word_embeddings: true },
    '"tie_word_embeddings" is true: DBRX has its own lm_head: only false is supported',
  ],
  [
    'an unknown key of the attention',
    { attn_config: { alibi: true } },
    '"attn_config.alibi" is true: an unknown key, which could change what the model computes',
  ],
  [
    'an unknown key of the experts',
    { ffn_config: { shared_experts: 1 } },
    '"ffn_config.shared_experts" is 1: an unknown key, which could change what the model computes',
  ],
  ['a clip of 0', { attn_config: { clip_qkv: 0 } }, '"attn_config.clip_qkv" is 0: Too small: expected number to be >0'],
  ['a width of 0', { d_model: 0 }, '"d_model" is 0: Too small: expected number to be >0'],
  ['a size that is text', { n_layers: '2' }, '"n_layers" is "2": Invalid input: expected number, received string'],
  [
    'heads that do not divide the width',
    { d_model: 64, n_heads: 5 },
    '"n_heads" is 5: expected d_model (64) / n_heads to be an even integer',
  ],
  ['an odd head', { d_model: 60, n_heads: 4 }, '"n_heads" is 4: expected d_model (60) / n_heads to be an even integer'],
  [
    'another head dimension',
    { d_model: 64, n_heads: 4, head_dim: 32 },
    '"head_dim" is 32: expected d_model / n_heads = 16',
  ],
  [
    'kv heads that do not divide the heads',
    { attn_config: { kv_n_heads: 3 } },
    '"attn_config.kv_n_heads" is 3: expected a divisor of n_heads (16)',
  ],
  [
    'more experts for a token than there are',
    { ffn_config: { moe_top_k: 5 } },
    '"ffn_config.moe_top_k" is 5: expected at most moe_num_experts (4)',
  ],
];

for (const [what, config, message] of refused) {
  test(`refuses ${what}`, () => {
    assert.throws(() => outlineOf({ model_type: 'dbrx', ...config }), {
      code: 'bad_config',
      message: `config.json: ${message}`,
    });
  });
}

test('refuses text that is not a JSON object, and a folder without config.json', async () => {
  assert.throws(() => parseModelConfig('{', 'c'), {
    code: 'bad_config',
    message: 'c is not valid JSON; copy the file again from where the model came from',
  });
  assert.throws(() => parseModelConfig('[]', 'c'), {
    code: 'bad_config',
    message: 'c: expected a JSON object; copy the file again from where the model came from',
  });
  await assert.rejects(readModelConfig('/nowhere'), {
    code: 'bad_config',
    message: '/nowhere/config.json does not exist; name a model folder, which has one',
  });
});

test('the config it writes for a size reads back as that size', () => {
  const sizes = fc
    .record({
      headDim: fc.integer({ min: 1, max: 64 }).map((half) => 2 * half),
      groups: fc.integer({ min: 1, max: 4 }),
      kvHeads: fc.integer({ min: 1, max: 4 }),
      topK: fc.integer({ min: 1, max: 4 }),
      more: fc.nat(8),
      size: fc.integer({ min: 1, max: 1024 }),
    })
    .map(({ headDim, groups, kvHeads, topK, more, size }) => ({
      ...{ layers: size, vocab: size + 1, maxContext: size + 2, dModel: headDim * groups * kvHeads },
      ...{ heads: groups * kvHeads, kvHeads, experts: topK + more, topK, ffn: size },
    }));
  const property = fc.property(sizes, (wanted) => {
    const { headDim, clip, theta, normalization, ...numbers } = numbersOf(outlineOf(dbrx.resize(wanted)));
    assert.deepEqual(numbers, wanted);
    assert.deepEqual([headDim, clip, theta], [wanted.dModel / wanted.heads, 8, 500_000]);
    assert.deepEqual(normalization, { epsilon: 0, minimum: 0 });
  });
  fc.assert(property, { seed: SEED });
});

test('survives any JSON as a config', () => {
  const property = fc.property(
    fc.dictionary(fc.constantFrom('d_model', 'attn_config', 'ffn_config', 'rope_parameters', 'x'), fc.jsonValue()),
    (config) => {
      try {
        outlineOf({ model_type: 'dbrx', ...config });
      } catch (thrown) {
        assert.ok(thrown instanceof DomainError, String(thrown));
      }
    },
  );
  fc.assert(property, { seed: SEED, numRuns: 1000 });
});
