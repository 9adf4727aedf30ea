// DBRX (docs/paper.md#dbrx): config.json -> ModelDescription, and where each section's weights are in the checkpoint.
// Everything family-specific about DBRX is here and in dbrx-config.ts. Pure.
import { type DbrxShape, readDbrxConfig, writeDbrxConfig } from './dbrx-config.ts';
import type { ModelFamily, ModelOutline } from './model-family.ts';
import { type MatrixSource, type PlannedSection, wholeMatrix } from './weight-plan.ts';

// nn.LayerNorm's default: DBRX's config does not name one.
const LAYER_NORM_EPSILON = 1e-5;

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
  example: describe(DBRX_INSTRUCT),
  config: writeConfig,
  sharedSections,
  expertSections,
  // Older exports stored the rotary frequencies, which follow from rope_theta.
  unreadTensors: /\.rotary_emb\.inv_freq$/,
};

function describe(shape: DbrxShape): ModelOutline {
  const { layers, dModel, vocab, maxContext, heads, kvHeads, clipQkv, ropeTheta } = shape;
  return {
    family: 'dbrx',
    layers,
    dModel,
    vocab,
    maxContext,
    norm: { kind: 'layer_norm', epsilon: LAYER_NORM_EPSILON },
    attention: { heads, kvHeads, headDim: dModel / heads, clipQkv, ropeTheta },
    router: { experts: shape.experts, topK: shape.topK, normalization: shape.normalization },
    expert: { ffn: shape.ffn, activation: 'silu_gated' },
  };
}

function writeConfig({
  layers,
  dModel,
  vocab,
  maxContext,
  attention,
  router,
  expert,
}: ModelOutline): Readonly<Record<string, unknown>> {
  const { heads, kvHeads, clipQkv, ropeTheta } = attention;
  const { experts, topK, normalization } = router;
  const sizes = { layers, dModel, vocab, maxContext, heads, kvHeads, experts, topK, ffn: expert.ffn };
  return writeDbrxConfig({ ...sizes, clipQkv, ropeTheta, normalization });
}

function sharedSections(model: ModelOutline): readonly PlannedSection[] {
  const { dModel, vocab } = model;
  return [
    {
      role: 'embedding',
      layer: null,
      content: { kind: 'rows', source: wholeMatrix('transformer.wte.weight', vocab, dModel) },
    },
    ...Array.from({ length: model.layers }, (_, layer) => sharedLayerSections(model, layer)).flat(),
    vector('finalNorm', null, 'transformer.norm_f.weight', dModel),
    panels('lmHead', null, wholeMatrix('lm_head.weight', vocab, dModel)),
  ];
}

function sharedLayerSections(model: ModelOutline, layer: number): readonly PlannedSection[] {
  const { dModel, attention, router } = model;
  const { heads, kvHeads, headDim } = attention;
  const block = `transformer.blocks.${layer}`;
  const attentionBlock = `${block}.norm_attn_norm`;
  return [
    vector('norm1', layer, `${attentionBlock}.norm_1.weight`, dModel),
    panels('wqkv', layer, wholeMatrix(`${attentionBlock}.attn.Wqkv.weight`, (heads + 2 * kvHeads) * headDim, dModel)),
    panels('wo', layer, wholeMatrix(`${attentionBlock}.attn.out_proj.weight`, dModel, heads * headDim)),
    vector('norm2', layer, `${attentionBlock}.norm_2.weight`, dModel),
    panels('router', layer, wholeMatrix(`${block}.ffn.router.layer.weight`, router.experts, dModel)),
  ];
}

function expertSections(model: ModelOutline, expert: number): readonly PlannedSection[] {
  return Array.from({ length: model.layers }, (_, layer): readonly PlannedSection[] => {
    const mlp = `transformer.blocks.${layer}.ffn.experts.mlp`;
    const gate = expertSlice(model, `${mlp}.w1`, expert);
    const up = expertSlice(model, `${mlp}.v1`, expert);
    const down = transposed(expertSlice(model, `${mlp}.w2`, expert));
    return [
      { role: 'gateUp', layer, content: { kind: 'panels', sources: [gate, up] } },
      { role: 'down', layer, content: { kind: 'panels', sources: [down] } },
    ];
  }).flat();
}

/** Rows [expert * ffn, (expert + 1) * ffn) of a tensor [experts * ffn, dModel]. */
function expertSlice(model: ModelOutline, tensor: string, expert: number): MatrixSource {
  const { dModel, router } = model;
  const { ffn } = model.expert;
  return {
    ...wholeMatrix(tensor, ffn, dModel),
    tensorShape: [router.experts * ffn, dModel],
    first: expert * ffn * dModel,
  };
}

/** DBRX stores w2 as [ffn, dModel]: its outputs run along the rows. */
function transposed(matrix: MatrixSource): MatrixSource {
  const { outputs, inputs, outputStride, inputStride } = matrix;
  return { ...matrix, outputs: inputs, inputs: outputs, outputStride: inputStride, inputStride: outputStride };
}

function vector(role: PlannedSection['role'], layer: number | null, tensor: string, length: number): PlannedSection {
  return { role, layer, content: { kind: 'vector', source: { tensor, length } } };
}

function panels(role: PlannedSection['role'], layer: number | null, source: MatrixSource): PlannedSection {
  return { role, layer, content: { kind: 'panels', sources: [source] } };
}
