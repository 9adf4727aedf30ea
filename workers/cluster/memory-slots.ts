// How many experts a node's memory has room for, beside what else it has to hold. Pure.
import { BYTES_PER_ACTIVATION, expertShape, type ModelDescription } from '../../native/model-description.ts';
import { inspectModel } from '../model/inspect-model.ts';
import { blockOf } from '../model/section-shapes.ts';
import type { StoredModel } from '../model/stored-model.ts';

export interface NodeMemory {
  /** Memory that Conclave may use, in bytes. */
  readonly memoryBytes: number;
  /** Tokens of its KV cache. */
  readonly kvTokens: number;
  /** Holds embeddings, attention, routers and the KV cache; false for an expert node of a centralized group. */
  readonly shared: boolean;
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
export function sharedBytes(model: StoredModel, { kvTokens, shared }: Omit<NodeMemory, 'memoryBytes'>): number {
  return shared ? inspectModel(model, 1).bytes.shared + kvTokens * kvBytesPerToken(model) : 0;
}

/** Whole experts that fit; 0 when not even the shared weights do, and for a dense model. */
export function expertSlots(model: StoredModel, memory: NodeMemory): number {
  const { experts } = expertShape(model);
  if (experts === 0) return 0;
  const left = memory.memoryBytes - sharedBytes(model, memory);
  const slots = Math.floor(left / inspectModel(model, 1).bytes.expert);
  return Math.min(experts, Math.max(0, slots));
}
