// DBRX (docs/paper.md#dbrx): config.json -> ModelDescription, and where each section's weights are in the checkpoint.
// Everything family-specific about DBRX is here and in dbrx-config.ts. Pure.
import type { Norm } from '../../../native/model-description.ts';
import { blockOf, type ModelOutline, type SectionShape } from '../section-shapes.ts';
import { type MatrixSource, wholeMatrix } from '../weight-plan.ts';
import { type DbrxShape, readDbrxConfig, writeDbrxConfig } from './dbrx-config.ts';
import type { HasTensor, ModelFamily, ModelSizes, SectionSource } from './model-family.ts';
import { panelsOf, sourcesIn, tensorName } from './shared/tensor-table.ts';

const NORM: Norm = {
  kind: 'layer',
  // nn.LayerNorm's default: DBRX's config does not name one.
  epsilon: 1e-5,
  bias: false,
  roundsBeforeWeight: false,
};

const DBRX_INSTRUCT: DbrxShape = {
  layers: 40,
  dModel: 6144,
  vocab: 100_352,
  maxContext: 32_768,
  heads: 48,
  kvHeads: 8,
  clipQkv: 8,
  ropeTheta: 500_000,
  experts: 16,
  topK: 4,
  normalization: 'l1',
  ffn: 10_752,
};

export const dbrx: ModelFamily = {
  modelType: 'dbrx',
  outline: (config) => describe(readDbrxConfig(config)),
  example: writeDbrxConfig(DBRX_INSTRUCT),
  resize: (sizes: ModelSizes) => writeDbrxConfig({ ...DBRX_INSTRUCT, ...sizes }),
  sources,
  mlxSources: (model) => sources(model, () => true),
  copies: () => [],
  // Older exports stored the rotary frequencies, which follow from rope_theta.
  isUnread: (tensor) => tensor.endsWith('.rotary_emb.inv_freq'),
};

function describe(shape: DbrxShape): ModelOutline {
  const { layers, dModel, vocab, maxContext, heads, kvHeads, experts, topK } = shape;
  const headDim = dModel / heads;
  return {
    family: 'dbrx',
    dModel,
    vocab,
    maxContext,
    embeddingScale: 1,
    blocks: [
      {
        attentionNorm: NORM,
        attention: {
          kind: 'gqa',
          heads,
          kvHeads,
          headDim,
          // In single precision, as the kernels once computed it.
          scale: Math.fround(1 / Math.fround(Math.sqrt(headDim))),
          queryKeyValueBias: false,
          outputBias: false,
          queryKeyNorm: null,
          clip: shape.clipQkv,
          rotary: { table: { kind: 'default', theta: shape.ropeTheta }, dims: headDim, pairing: 'halves' },
          window: null,
          sinks: false,
        },
        mlpNorm: NORM,
        mlp: {
          kind: 'moe',
          router: {
            experts,
            topK,
            bias: false,
            scores: { kind: 'softmax' },
            choiceBias: false,
            groups: null,
            normalization: shape.normalization === 'l1' ? { epsilon: 0, minimum: 0 } : null,
            scale: 1,
          },
          expert: { width: shape.ffn, activation: { kind: 'silu' }, bias: false },
          shared: null,
        },
        residualScale: 1,
      },
    ],
    blockOfLayer: Array.from({ length: layers }, () => 0),
    finalNorm: NORM,
    head: { tied: false, bias: false, scale: 1, softCap: null },
  };
}

function sources(model: ModelOutline, has: HasTensor): SectionSource {
  const block = 'transformer.blocks.{layer}';
  const attention = `${block}.norm_attn_norm`;
  const mlp = `${block}.ffn.experts.mlp`;
  return sourcesIn({
    shared: {
      embedding: 'transformer.wte.weight',
      attentionNorm: `${attention}.norm_1.weight`,
      query: (section) => panelsOf(projection(model, section, 0)),
      key: (section) => panelsOf(projection(model, section, 1)),
      value: (section) => panelsOf(projection(model, section, 2)),
      attentionOutput: `${attention}.attn.out_proj.weight`,
      mlpNorm: `${attention}.norm_2.weight`,
      router: `${block}.ffn.router.layer.weight`,
      finalNorm: 'transformer.norm_f.weight',
      lmHead: 'lm_head.weight',
    },
    expert: {
      gateUp: (section) => panelsOf(expertSlice(model, section, `${mlp}.w1`), expertSlice(model, section, `${mlp}.v1`)),
      // w2 is stored as [ffn, dModel]: its outputs run along the rows.
      down: (section) => panelsOf(transposed(expertSlice(model, section, `${mlp}.w2`))),
      ...(has(MLX_SIGN) ? MLX_EXPERTS : {}),
    },
  });
}

/** MLX keeps each expert's matrices as [outputs, inputs]. */
const MLX_EXPERT = 'transformer.blocks.{layer}.ffn.experts.{expert}';
const MLX_SIGN = tensorName(`${MLX_EXPERT}.w1.weight`, { layer: 0, expert: 0 });
const MLX_EXPERTS = {
  gateUp: [`${MLX_EXPERT}.w1.weight`, `${MLX_EXPERT}.v1.weight`],
  down: `${MLX_EXPERT}.w2.weight`,
} as const;

/** Rows of a layer's Wqkv, in which q, k and v stand one below the other. */
function projection(model: ModelOutline, section: SectionShape, index: 0 | 1 | 2): MatrixSource {
  const { heads, kvHeads, headDim } = blockOf(model, section.layer ?? 0).attention;
  const { outputs, inputs } = section;
  const name = tensorName('transformer.blocks.{layer}.norm_attn_norm.attn.Wqkv.weight', section);
  const firstRow = [0, heads, heads + kvHeads][index] ?? 0;
  return {
    ...wholeMatrix(name, outputs, inputs),
    tensorShape: [(heads + 2 * kvHeads) * headDim, inputs],
    first: firstRow * headDim * inputs,
  };
}

/** Rows [expert * ffn, (expert + 1) * ffn) of a tensor [experts * ffn, dModel]. */
function expertSlice(model: ModelOutline, section: SectionShape, pattern: string): MatrixSource {
  const { mlp } = blockOf(model, section.layer ?? 0);
  if (mlp.kind !== 'moe') throw new TypeError('all layers of DBRX have experts');
  const { width } = mlp.expert;
  return {
    ...wholeMatrix(tensorName(pattern, section), width, model.dModel),
    tensorShape: [mlp.router.experts * width, model.dModel],
    first: (section.expert ?? 0) * width * model.dModel,
  };
}

function transposed(matrix: MatrixSource): MatrixSource {
  const { outputs, inputs, outputStride, inputStride } = matrix;
  return { ...matrix, outputs: inputs, inputs: outputs, outputStride: inputStride, inputStride: outputStride };
}
