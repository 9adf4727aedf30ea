// Values of the small floating-point types of the OCP microscaling formats: e2m1, e4m3 (the variant without infinities) and
// e8m0. Tables from bytes to numbers. Pure.

/** Values of the 16 codes of e2m1; bit 3 is the sign. */
export const E2M1: Float32Array = Float32Array.of(0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, -1, -1.5, -2, -3, -4, -6);

/** Largest magnitudes. */
export const E2M1_MAX = 6;
export const E4M3_MAX = 448;

/** Values of the 256 codes of e4m3; 0x7f and 0xff are NaN. */
export const E4M3: Float32Array = Float32Array.from({ length: 256 }, (_, code) => {
  const sign = code & 0x80 ? -1 : 1;
  const exponent = (code >> 3) & 0xf;
  const fraction = code & 7;
  if ((code & 0x7f) === 0x7f) return Number.NaN;
  if (exponent === 0) return (sign * fraction) / 512;
  return sign * (1 + fraction / 8) * 2 ** (exponent - 7);
});

/** Values of the 256 codes of e8m0: powers of two from 2^-127 on; 255 is NaN. */
export const E8M0: Float32Array = Float32Array.from({ length: 256 }, (_, code) =>
  code === 255 ? Number.NaN : 2 ** (code - 127),
);

/** The e4m3 code nearest to a number, ties to even; larger magnitudes than 448 become 448. */
export function toE4m3(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x80 : 0;
  const magnitude = Math.abs(value);
  const low = lastNotAbove(magnitude, E4M3, 0x7d);
  const middle = ((E4M3[low] ?? 0) + (E4M3[low + 1] ?? 0)) / 2;
  const isUp = magnitude > middle || (magnitude === middle && low % 2 === 1);
  return sign | (low + Number(isUp));
}

/** The e2m1 code nearest to a number, ties to zero; larger magnitudes than 6 become 6, and what becomes 0 has no sign. */
export function toE2m1(value: number): number {
  const magnitude = Math.abs(value);
  const low = lastNotAbove(magnitude, E2M1, 6);
  const code = low + Number(magnitude > ((E2M1[low] ?? 0) + (E2M1[low + 1] ?? 0)) / 2);
  return value < 0 && code > 0 ? code | 8 : code;
}

/** The e8m0 code of the least power of two that is not below a number, which is not negative; 0 has that of 1. */
export function toE8m0(value: number): number {
  if (value === 0) return 127;
  let exponent = Math.floor(Math.log2(value));
  // The logarithm of a number beside a power of two may round to it.
  while (2 ** exponent < value) exponent += 1;
  while (2 ** (exponent - 1) >= value) exponent -= 1;
  return Math.min(Math.max(exponent + 127, 0), 254);
}

/** The last of the codes 0..last whose value is not above `magnitude`; their values ascend from 0. */
function lastNotAbove(magnitude: number, table: Float32Array, last: number): number {
  let [low, end] = [0, last + 1];
  while (end - low > 1) {
    const middle = (low + end) >> 1;
    if ((table[middle] ?? 0) <= magnitude) low = middle;
    else end = middle;
  }
  return low;
}
