// Stored weights of any of the three dtypes as f32. Exact: every bf16 and f16 value is an f32 value. Pure.
import type { PlainFormat } from '../../native/weight-format.ts';

/** `bytes` holds little-endian values of `dtype`. */
export function widenFloats(bytes: Uint8Array, dtype: PlainFormat): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const width = dtype === 'f32' ? 4 : 2;
  return Float32Array.from({ length: bytes.byteLength / width }, (_, index) => readFloat(view, index * width, dtype));
}

function readFloat(view: DataView, offset: number, dtype: PlainFormat): number {
  if (dtype === 'f32') return view.getFloat32(offset, true);
  const bits = view.getUint16(offset, true);
  return dtype === 'bf16' ? widenBfloat16(bits) : widenFloat16(bits);
}

const scratch = new DataView(new ArrayBuffer(4));

function widenBfloat16(bits: number): number {
  scratch.setUint32(0, bits * 0x10000);
  return scratch.getFloat32(0);
}

function widenFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
