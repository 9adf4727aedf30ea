// GGUF's types of tensors: sizes of those that are read, names of those that are not. Pure.
import type { PlainFormat } from '../../native/weight-format.ts';
import { ggufBlock } from './gguf-blocks.ts';

interface TypeSize {
  readonly name: string;
  /** Weights of a block, and its bytes. */
  readonly weights: number;
  readonly bytes: number;
}

const PLAIN: ReadonlyMap<number, TypeSize & { readonly format: PlainFormat }> = new Map([
  [0, { name: 'F32', format: 'f32', weights: 1, bytes: 4 }],
  [1, { name: 'F16', format: 'f16', weights: 1, bytes: 2 }],
  [30, { name: 'BF16', format: 'bf16', weights: 1, bytes: 2 }],
]);

/** Known, and refused where they are needed. */
const UNREAD: ReadonlyMap<number, TypeSize> = new Map([
  [9, { name: 'Q8_1', weights: 32, bytes: 36 }],
  [15, { name: 'Q8_K', weights: 256, bytes: 292 }],
  [16, { name: 'IQ2_XXS', weights: 256, bytes: 66 }],
  [17, { name: 'IQ2_XS', weights: 256, bytes: 74 }],
  [18, { name: 'IQ3_XXS', weights: 256, bytes: 98 }],
  [19, { name: 'IQ1_S', weights: 256, bytes: 50 }],
  [20, { name: 'IQ4_NL', weights: 32, bytes: 18 }],
  [21, { name: 'IQ3_S', weights: 256, bytes: 110 }],
  [22, { name: 'IQ2_S', weights: 256, bytes: 82 }],
  [23, { name: 'IQ4_XS', weights: 256, bytes: 136 }],
  [24, { name: 'I8', weights: 1, bytes: 1 }],
  [25, { name: 'I16', weights: 1, bytes: 2 }],
  [26, { name: 'I32', weights: 1, bytes: 4 }],
  [27, { name: 'I64', weights: 1, bytes: 8 }],
  [28, { name: 'F64', weights: 1, bytes: 8 }],
  [29, { name: 'IQ1_M', weights: 256, bytes: 56 }],
  [34, { name: 'TQ1_0', weights: 256, bytes: 54 }],
  [35, { name: 'TQ2_0', weights: 256, bytes: 66 }],
]);

/** null for a type that GGUF does not have. */
export function ggufTypeSize(type: number): TypeSize | null {
  return PLAIN.get(type) ?? ggufBlock(type) ?? UNREAD.get(type) ?? null;
}

/** null for types with blocks. */
export function plainGgufFormat(type: number): PlainFormat | null {
  return PLAIN.get(type)?.format ?? null;
}
