// Rows of a packed matrix in memory, in the form in which MLX stores them. Pure data.
//
// Each row's codes are one little-endian stream of bits, code j in bits [j * bits, (j + 1) * bits); scales and biases are
// [rows, groups].
import type { GroupSize, PackedFormat, PlainFormat } from '../../../native/weight-format.ts';

export interface PackedRows {
  readonly format: PackedFormat;
  readonly rows: number;
  readonly inputs: number;
  /** [rows, inputs * bits / 8]. */
  readonly codes: Uint8Array;
  /** [rows, inputs / group], little-endian values of the format's type of scales. */
  readonly scales: Uint8Array;
  /** As `scales`; null for a float format. */
  readonly biases: Uint8Array | null;
  /** Multiplies scales of e4m3, rounded to f32; 1 for others. */
  readonly factor: number;
}

export const AFFINE_BITS = [2, 3, 4, 5, 6, 8] as const;
export type AffineBits = (typeof AFFINE_BITS)[number];
export const GROUPS: readonly GroupSize[] = [16, 32, 64, 128];

export function affineFormat(bits: AffineBits, group: GroupSize, scales: PlainFormat): PackedFormat {
  return `affine${bits}-g${group}-${scales}`;
}

export function floatFormat(codes: 'e2m1' | 'e4m3', group: GroupSize, scales: 'e8m0' | 'e4m3' | 'f32'): PackedFormat {
  return `${codes}-g${group}-${scales}`;
}

/** MLX's modes of float codes. */
export const MXFP4: PackedFormat = 'e2m1-g32-e8m0';
export const NVFP4: PackedFormat = 'e2m1-g16-e4m3';
export const MXFP8: PackedFormat = 'e4m3-g32-e8m0';
