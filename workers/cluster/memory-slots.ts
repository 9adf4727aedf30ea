// How many experts of each layer the nodes' memory has room for, beside what else they have to hold. Pure.
import { BYTES_PER_ACTIVATION, type ModelDescription } from '../../native/model-description.ts';
import { inspectModel, layerExpertBytes } from '../model/inspect-model.ts';
import { blockOf } from '../model/section-shapes.ts';
import type { StoredModel } from '../model/stored-model.ts';

export interface NodeMemory {
  /** Memory that Conclave may use, in bytes. */
  readonly memoryBytes: number;
  /** Tokens of its KV cache. */
  readonly kvTokens: number;
  /** Holds embeddings, attention, routers and the KV cache; false for an expert node of a centralized group. */
  readonly shared: boolean;
  /** Experts of each layer that it is to hold at most; null: as many as fit. */
  readonly maxExperts: number | null;
}

/** Bytes of the KV cache for one token, all layers. The cache has the type of activations. */
export function kvBytesPerToken(model: ModelDescription): number {
  const widths = model.blockOfLayer.map((_, layer) => {
    const { kvHeads, headDim } = blockOf(model, layer).attention;
    return 2 * kvHeads * headDim;
  });
  return widths.reduce((sum, width) => sum + width, 0) * BYTES_PER_ACTIVATION[model.activations];
}

/** Bytes that a node holds beside its experts. */
export function sharedBytes(model: StoredModel, { kvTokens, shared }: Pick<NodeMemory, 'kvTokens' | 'shared'>): number {
  return shared ? inspectModel(model, 1).bytes.shared + kvTokens * kvBytesPerToken(model) : 0;
}

/**
 * Whole experts that fit, by node and layer that has experts: [nodes][layers]. Every node has as many slots in each layer, and
 * one more in as many layers as its memory allows: in those where the nodes before it have the fewest.
 */
export function expertSlots(model: StoredModel, memories: readonly NodeMemory[]): readonly (readonly number[])[] {
  const { perLayer, experts } = layerExpertBytes(model);
  const totals = perLayer.map(() => 0);
  return memories.map((memory) => {
    const most = Math.min(experts, memory.maxExperts ?? experts);
    const slots = slotsOf(perLayer, Math.max(0, memory.memoryBytes - sharedBytes(model, memory)), most, totals);
    for (const [layer, count] of slots.entries()) totals[layer] = (totals[layer] ?? 0) + count;
    return slots;
  });
}

function slotsOf(perLayer: readonly number[], bytes: number, most: number, totals: readonly number[]): number[] {
  const ofAll = perLayer.reduce((sum, one) => sum + one, 0);
  const even = Math.min(most, ofAll === 0 ? 0 : Math.floor(bytes / ofAll));
  const slots = perLayer.map(() => even);
  if (even === most) return slots;
  let left = bytes - even * ofAll;
  const order = [...perLayer.keys()].sort((a, b) => (totals[a] ?? 0) - (totals[b] ?? 0));
  for (const layer of order) {
    const one = perLayer[layer] ?? 0;
    if (one > left) continue;
    slots[layer] = even + 1;
    left -= one;
  }
  return slots;
}
