// How many experts a node's memory has room for, beside what else it has to hold. Pure.
import { BYTES_PER_WEIGHT, type ModelDescription } from '../../native/model-description.ts';
import { inspectModel } from '../model/inspect-model.ts';

export interface NodeMemory {
  /** Memory that Conclave may use, in bytes. */
  readonly memoryBytes: number;
  /** Tokens of its KV cache. */
  readonly kvTokens: number;
  /** Holds embeddings, attention, routers and the KV cache; false for an expert node of a centralized group. */
  readonly shared: boolean;
}

/** Bytes of the KV cache for one token, all layers. The cache has the type of activations: bf16, else f32. */
export function kvBytesPerToken({ dtype, layers, attention }: ModelDescription): number {
  return 2 * layers * attention.kvHeads * attention.headDim * (dtype === 'bf16' ? BYTES_PER_WEIGHT.bf16 : 4);
}

/** Bytes that a node holds beside its experts. */
export function sharedBytes(model: ModelDescription, { kvTokens, shared }: Omit<NodeMemory, 'memoryBytes'>): number {
  return shared ? inspectModel(model, 1).bytes.shared + kvTokens * kvBytesPerToken(model) : 0;
}

/** Whole experts that fit; 0 when not even the shared weights do. */
export function expertSlots(model: ModelDescription, memory: NodeMemory): number {
  const left = memory.memoryBytes - sharedBytes(model, memory);
  const slots = Math.floor(left / inspectModel(model, 1).bytes.expert);
  return Math.min(model.router.experts, Math.max(0, slots));
}
