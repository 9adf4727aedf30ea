// Rows of plain weights -> codes, scales and biases, bit for bit as MLX 0.32 quantises them.
import { loadAddon } from './load-addon.ts';
import { toNativeError } from './native-error.ts';
import { formatNumber, type PackedFormat, type PlainFormat, packedLayout } from './weight-format.ts';

export interface QuantizedRows {
  /** [rows, inputs * bits / 8]: each row a little-endian stream of bits. */
  readonly codes: Uint8Array;
  /** [rows, inputs / group] of the format's type. */
  readonly scales: Uint8Array;
  /** As `scales`; null unless the format is affine. */
  readonly biases: Uint8Array | null;
  readonly error: QuantizationError;
}

/** Of what the codes stand for. */
export interface QuantizationError {
  /** Sum of the squares of differences. */
  readonly squares: number;
  /** Sum of the squares of weights. */
  readonly weights: number;
  /** The largest difference. */
  readonly worst: number;
}

/** `weights`: whole rows of `inputs`. Throws NativeError `invalid_argument` naming a weight that is not finite. */
export function quantizeRows(
  weights: Uint8Array,
  dtype: PlainFormat,
  inputs: number,
  format: PackedFormat,
): QuantizedRows {
  const { bits, group, scaleBytes, affine } = packedLayout(format);
  const count = weights.length / (dtype === 'f32' ? 4 : 2);
  const codes = new Uint8Array((count * bits) / 8);
  const scales = new Uint8Array((count / group) * scaleBytes);
  const biases = new Uint8Array(affine ? scales.length : 0);
  try {
    const numbers = [formatNumber(dtype), inputs, formatNumber(format)] as const;
    const [squares = 0, all = 0, worst = 0] = loadAddon().quantizeRows(weights, ...numbers, codes, scales, biases);
    return { codes, scales, biases: affine ? biases : null, error: { squares, weights: all, worst } };
  } catch (thrown) {
    throw toNativeError(thrown);
  }
}
