// f32 values as the bit patterns of a storage type, rounded to nearest even. Pure. Finite values only; those too large for
// f16 become infinity.
import type { PlainFormat } from '../../native/weight-format.ts';

/** Bit patterns, one element a weight. */
export type WeightBits = Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

export function narrowFloats(values: Float32Array<ArrayBuffer>, dtype: PlainFormat): WeightBits {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  switch (dtype) {
    case 'f32':
      return bits.slice();
    case 'bf16':
      return Uint16Array.from(bits, bfloat16Bits);
    case 'f16':
      return Uint16Array.from(values, float16Bits);
  }
}

/** Half of the dropped part is added, less one when the kept part is even: carries run into the exponent as they should. */
function bfloat16Bits(bits: number): number {
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

function float16Bits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= 65_520) return sign | 0x7c00;
  const exponent = Math.max(-14, Math.floor(Math.log2(magnitude)));
  // In units of the last place; 1024 of them are one binade, so the exponent adds on.
  const units = roundHalfEven(magnitude * 2 ** (10 - exponent));
  return sign | (exponent === -14 ? units : ((exponent + 14) << 10) + units);
}

function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}
