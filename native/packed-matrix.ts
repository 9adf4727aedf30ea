// Matrices of packed formats as checkpoints have them -> the kernels' panels.
import { loadAddon } from './load-addon.ts';
import { MappedFile, type PanelSlots } from './mapped-file.ts';
import { toNativeError } from './native-error.ts';
import { formatNumber, type PackedFormat } from './weight-format.ts';

/** Rows of bytes, `stride` apart, the first at `offset` of a file or of an array. A stride of 0 is one row for all outputs. */
export interface ByteRows {
  readonly bytes: MappedFile | Uint8Array;
  readonly offset: number;
  readonly stride: number;
}

/**
 * A matrix [outputs, inputs]. A row of codes is a little-endian stream of bits: input i has bits [bits * i, bits * (i + 1)). A
 * row of scales, and of biases, is one number of the scales' type for each group of inputs.
 */
export interface PackedMatrix {
  readonly format: PackedFormat;
  readonly outputs: number;
  readonly inputs: number;
  readonly codes: ByteRows;
  readonly scales: ByteRows;
  /** null unless the format is affine. */
  readonly biases: ByteRows | null;
  /** Multiplies e4m3 scales; others are as they are. */
  readonly factor: number;
}

/**
 * Writes the matrix into `out` in the kernels' layout (core/panel-layout.h). Throws NativeError `invalid_argument` that names
 * output and input when a code or a scale is not a number, and `io` when a file ends before a row does.
 */
export function packMatrix(matrix: PackedMatrix, out: Uint8Array, slots: PanelSlots): void {
  const { format, outputs, inputs, factor } = matrix;
  const of = ({ bytes, offset, stride }: ByteRows) => ({
    bytes: bytes instanceof MappedFile ? bytes.raw : bytes,
    offset,
    stride,
  });
  const rows = [of(matrix.codes), of(matrix.scales), matrix.biases === null ? null : of(matrix.biases)] as const;
  try {
    loadAddon().packMatrix(formatNumber(format), outputs, inputs, ...rows, factor, out, slots.step, slots.offset);
  } catch (thrown) {
    throw toNativeError(thrown);
  }
}
