// gpt-oss: attention with sinks, every other layer through a window, biases everywhere, YaRN. Pure.
import { z } from 'zod';
import { expertShape, type Norm } from '../../../native/model-description.ts';
import type { ModelOutline, SectionShape } from '../section-shapes.ts';
import type { MatrixSource, SectionContent } from '../weight-plan.ts';
import { decoderKeys, expertCount, expertKeys, flag, readExperts } from './shared/config-keys.ts';
import { type ExpertLayout, mlxExperts } from './shared/decoder-tensors.ts';
import { defineFamily } from './shared/define-family.ts';
import { attentionOf, describeDecoder, softmaxRouter } from './shared/describe-decoder.ts';
import { harmless } from './shared/ignorable-config-keys.ts';
import { layerWindows, windowKeys } from './shared/layer-windows.ts';
import { panelsOf, tensorName } from './shared/tensor-table.ts';

const YARN = {
  rope_type: 'yarn',
  factor: 32,
  beta_fast: 32,
  beta_slow: 1,
  truncate: false,
  original_max_position_embeddings: 4096,
};

export const gptOss = defineFamily({
  modelType: 'gpt_oss',
  defaults: {
    vocab_size: 201_088,
    hidden_size: 2880,
    intermediate_size: 2880,
    num_hidden_layers: 36,
    num_attention_heads: 64,
    num_key_value_heads: 8,
    head_dim: 64,
    hidden_act: 'silu',
    max_position_embeddings: 131_072,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: false,
    attention_bias: true,
    sliding_window: 128,
    num_experts_per_tok: 4,
    swiglu_alpha: 1.702,
    swiglu_limit: 7,
  },
  keys: z.strictObject({
    ...decoderKeys,
    ...expertKeys,
    ...windowKeys,
    // The other names of keys that are read; `initial_context_length` is what original_max_position_embeddings repeats.
    ...harmless('experts_per_token', 'initial_context_length'),
    attention_bias: flag,
    num_experts_per_tok: expertCount,
    swiglu_alpha: z.number().positive(),
    swiglu_limit: z.number().positive(),
  }),
  describe(config, given) {
    const keys = withUsualRope(given);
    const { num_experts, num_local_experts, num_experts_per_tok, attention_bias: bias } = keys;
    const { experts, topK } = readExperts(config, { num_experts, num_local_experts }, 128, { num_experts_per_tok });
    const router = softmaxRouter(experts, topK, { bias: true, scores: { kind: 'softmax_of_chosen' } });
    const { swiglu_alpha: alpha, swiglu_limit: limit, intermediate_size: width } = keys;
    const norm: Norm = { kind: 'rms', epsilon: keys.rms_norm_eps, bias: false, roundsBeforeWeight: false };
    return describeDecoder(keys, {
      norm,
      attention: attentionOf(config, keys, {
        theta: 150_000,
        queryKeyValueBias: bias,
        outputBias: bias,
        sinks: true,
      }),
      window: layerWindows(config, keys, (layer) => layer % 2 === 0),
      mlp: () => ({
        kind: 'moe',
        router,
        expert: { width, activation: { kind: 'clamped_swiglu', limit, alpha }, bias: true },
        shared: null,
      }),
    });
  },
  layouts: (model) => [transposedExperts(model), publishedExperts(model), separateGates(model)],
  // gpt-oss-20b.
  example: {
    num_hidden_layers: 24,
    num_local_experts: 32,
    rope_theta: 150_000,
    rope_scaling: YARN,
  },
  resize: ({ experts, topK }) => ({ num_local_experts: experts, num_experts_per_tok: topK }),
});

/** transformers takes YaRN for a config that has neither of the keys. */
function withUsualRope<Keys extends { rope_parameters?: unknown; rope_scaling?: unknown }>(keys: Keys): Keys {
  return keys.rope_parameters == null && keys.rope_scaling == null ? { ...keys, rope_parameters: YARN } : keys;
}

const MLP = 'model.layers.{layer}.mlp';
const ROUTER: ExpertLayout['router'] = { router: `${MLP}.router.weight`, routerBias: `${MLP}.router.bias` };
const [GATE_UP, DOWN] = [`${MLP}.experts.gate_up_proj`, `${MLP}.experts.down_proj`];

/** As published: codes [experts, outputs, inputs]; gates and ups take turns. */
function publishedExperts(model: ModelOutline): ExpertLayout {
  const { experts } = expertShape(model);
  const blocks = (section: SectionShape, pattern: string, choice: OutputChoice): MatrixSource => {
    const { outputs, inputs } = section;
    return {
      tensor: tensorName(`${pattern}_blocks`, section),
      tensorShape: [experts, outputs, inputs],
      first: ((section.expert ?? 0) * outputs + choice.firstOutput) * inputs,
      outputs: outputs / choice.outputStep,
      inputs,
      outputStride: choice.outputStep * inputs,
      inputStride: 1,
    };
  };
  return {
    sign: `${GATE_UP}_blocks`,
    router: ROUTER,
    experts: {
      gateUp: (section) => panelsOf(blocks(section, GATE_UP, GATES), blocks(section, GATE_UP, UPS)),
      down: (section) => panelsOf(blocks(section, DOWN, ALL)),
      ...expertBiases(experts),
    },
  };
}

/** Exported to bf16: stacked [experts, inputs, outputs], transposed to what others have; gates and ups take turns. */
function transposedExperts(model: ModelOutline): ExpertLayout {
  const { experts } = expertShape(model);
  return {
    sign: GATE_UP,
    router: ROUTER,
    experts: {
      gateUp: (section) =>
        panelsOf(transposed(section, experts, GATE_UP, GATES), transposed(section, experts, GATE_UP, UPS)),
      down: (section) => panelsOf(transposed(section, experts, DOWN, ALL)),
      ...expertBiases(experts),
    },
  };
}

/** As MLX converts it: gates and ups apart. */
function separateGates(model: ModelOutline): ExpertLayout {
  const { experts } = expertShape(model);
  const biases = (name: string) => (section: SectionShape) =>
    biasOf(section, experts, `${MLP}.experts.${name}.bias`, ALL);
  const { experts: matrices, ...layout } = mlxExperts(model, 'mlp.experts');
  const own = { gateBias: biases('gate_proj'), upBias: biases('up_proj'), downBias: biases('down_proj') };
  return { ...layout, router: ROUTER, experts: { ...matrices, ...own } };
}

function expertBiases(experts: number): ExpertLayout['experts'] {
  return {
    gateBias: (section) => biasOf(section, experts, `${GATE_UP}_bias`, GATES),
    upBias: (section) => biasOf(section, experts, `${GATE_UP}_bias`, UPS),
    downBias: (section) => biasOf(section, experts, `${DOWN}_bias`, ALL),
  };
}

interface OutputChoice {
  readonly firstOutput: number;
  readonly outputStep: number;
}

const GATES: OutputChoice = { firstOutput: 0, outputStep: 2 };
const UPS: OutputChoice = { firstOutput: 1, outputStep: 2 };
const ALL: OutputChoice = { firstOutput: 0, outputStep: 1 };

/** The outputs `firstOutput`, `firstOutput + outputStep`, ... of an expert's matrix. */
function transposed(
  section: SectionShape,
  experts: number,
  pattern: string,
  { firstOutput, outputStep }: OutputChoice,
): MatrixSource {
  const { outputs, inputs } = section;
  return {
    tensor: tensorName(pattern, section),
    tensorShape: [experts, inputs, outputs],
    first: (section.expert ?? 0) * outputs * inputs + firstOutput,
    outputs: outputs / outputStep,
    inputs,
    outputStride: outputStep,
    inputStride: outputs,
  };
}

function biasOf(
  section: SectionShape,
  experts: number,
  pattern: string,
  { firstOutput, outputStep }: OutputChoice,
): SectionContent {
  const outputs = section.inputs * outputStep;
  return {
    kind: 'vector',
    source: {
      tensor: tensorName(pattern, section),
      tensorShape: [experts, outputs],
      first: (section.expert ?? 0) * outputs + firstOutput,
      length: section.inputs,
      stride: outputStep,
      add: 0,
    },
  };
}
