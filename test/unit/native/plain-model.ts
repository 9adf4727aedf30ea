// A description of one kind of block, and the sections of its packs when every section may be the same bytes: for tests of the
// addon on weights of zeros.
import type { ModelDescription } from '../../../native/model-description.ts';
import { toSectionTable, type WeightRole, type WeightSection } from '../../../native/weight-sections.ts';

export interface PlainSizes {
  readonly dModel: number;
  readonly vocab: number;
  readonly maxContext: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly experts: number;
  readonly ffn: number;
}

/** One layer of f32: LayerNorm, attention, LayerNorm, and one expert out of several. */
export function plainModel(sizes: PlainSizes): ModelDescription {
  const norm = { kind: 'layer', epsilon: 1e-5, bias: false, roundsBeforeWeight: false } as const;
  const { dModel, vocab, maxContext, heads, kvHeads, headDim, experts, ffn } = sizes;
  return {
    family: 'plain',
    activations: 'f32',
    dModel,
    vocab,
    maxContext,
    embeddingScale: 1,
    blocks: [
      {
        attentionNorm: norm,
        attention: {
          kind: 'gqa',
          heads,
          kvHeads,
          headDim,
          scale: headDim ** -0.5,
          queryKeyValueBias: false,
          outputBias: false,
          queryKeyNorm: null,
          clip: null,
          rotary: { table: { kind: 'default', theta: 10_000 }, dims: headDim, pairing: 'halves' },
          window: null,
          sinks: false,
        },
        mlpNorm: norm,
        mlp: {
          kind: 'moe',
          router: {
            experts,
            topK: 1,
            bias: false,
            scores: { kind: 'softmax' },
            choiceBias: false,
            groups: null,
            normalization: { epsilon: 0, minimum: 0 },
            scale: 1,
          },
          expert: { width: ffn, activation: { kind: 'silu' }, bias: false },
          shared: null,
        },
        residualScale: 1,
      },
    ],
    blockOfLayer: [0],
    finalNorm: norm,
    head: { tied: false, bias: false, scale: 1, softCap: null },
  };
}

/** Everything but the experts, each section at the beginning of the file. */
export function sharedTable({ dModel, vocab, heads, kvHeads, headDim, experts }: PlainSizes): Float64Array {
  const rows = [
    ['embedding', null, vocab, dModel],
    ['finalNorm', null, 1, dModel],
    ['lmHead', null, vocab, dModel],
    ['attentionNorm', 0, 1, dModel],
    ['query', 0, heads * headDim, dModel],
    ['key', 0, kvHeads * headDim, dModel],
    ['value', 0, kvHeads * headDim, dModel],
    ['attentionOutput', 0, dModel, heads * headDim],
    ['mlpNorm', 0, 1, dModel],
    ['router', 0, experts, dModel],
  ] as const;
  return toSectionTable(rows.map(([role, layer, outputs, inputs]) => section(role, layer, null, outputs, inputs)));
}

export function expertTable({ dModel, ffn }: PlainSizes, expert: number): Float64Array {
  return toSectionTable([section('gateUp', 0, expert, 2 * ffn, dModel), section('down', 0, expert, dModel, ffn)]);
}

function section(
  role: WeightRole,
  layer: number | null,
  expert: number | null,
  outputs: number,
  inputs: number,
): WeightSection {
  return { role, layer, expert, format: 'f32', outputs, inputs, offset: 0 };
}
