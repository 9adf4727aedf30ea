// Packed rows as f32: what tests, error reports and exports compare with. In: canonical rows. Out: [rows, inputs]. Pure. The
// engine never widens a matrix as a whole.
import { type PackedFormat, type PackedLayout, packedLayout } from '../../../native/weight-format.ts';
import { widenFloats } from '../../pack/widen-floats.ts';
import { E2M1, E4M3, E8M0 } from './float-codes.ts';
import type { PackedRows } from './packed-rows.ts';

/** [rows, inputs]: bit for bit what MLX 0.32 gives in f32, which rounds the product, then the sum. */
export function dequantizeRows(packed: PackedRows): Float32Array {
  const { format, rows, inputs, factor } = packed;
  const { bits, group } = packedLayout(format);
  const codes = readCodes(packed.codes, bits, rows * inputs);
  const scales = scaleValues(packed.scales, format).map((scale) => scale * factor);
  const biases = packed.biases === null ? null : scaleValues(packed.biases, format);
  const values = valuesOfCodes(packedLayout(format));
  return Float32Array.from(codes, (code, index) => {
    const place = Math.floor(index / group);
    const product = Math.fround((values?.[code] ?? code) * (scales[place] ?? 0));
    return biases === null ? product : product + (biases[place] ?? 0);
  });
}

/** null where a code is its own value. */
function valuesOfCodes({ affine, bits }: PackedLayout): Float32Array | null {
  if (affine) return null;
  return bits === 4 ? E2M1 : E4M3;
}

/** The numbers that scales stand for. */
export function scaleValues(scales: Uint8Array, format: PackedFormat): Float32Array {
  const { scales: type } = packedLayout(format);
  if (type === 'e8m0') return Float32Array.from(scales, (code) => E8M0[code] ?? 0);
  if (type === 'e4m3') return Float32Array.from(scales, (code) => E4M3[code] ?? 0);
  return widenFloats(scales, type);
}

/** The first `count` codes of a little-endian stream of bits; rows are whole bytes. */
export function readCodes(stream: Uint8Array, bits: number, count: number): Uint8Array {
  const mask = (1 << bits) - 1;
  return Uint8Array.from({ length: count }, (_, index) => {
    const bit = index * bits;
    const byte = bit >> 3;
    return (((stream[byte] ?? 0) | ((stream[byte + 1] ?? 0) << 8)) >> (bit & 7)) & mask;
  });
}

/** Codes as a little-endian stream of bits. `count * bits` is a multiple of 8. */
export function writeCodes(codes: Uint8Array, bits: number): Uint8Array {
  const stream = new Uint8Array((codes.length * bits) / 8);
  for (const [index, code] of codes.entries()) {
    const bit = index * bits;
    const byte = bit >> 3;
    const shifted = code << (bit & 7);
    stream[byte] = (stream[byte] ?? 0) | shifted;
    if (byte + 1 < stream.length) stream[byte + 1] = (stream[byte + 1] ?? 0) | (shifted >> 8);
  }
  return stream;
}
