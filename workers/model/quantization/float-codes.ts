// Values of the small floating-point types of the OCP microscaling formats: e2m1, e4m3 (the variant without infinities) and
// e8m0. Tables from bytes to numbers. Pure.

/** Values of the 16 codes of e2m1; bit 3 is the sign. */
export const E2M1: Float32Array = Float32Array.of(0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, -1, -1.5, -2, -3, -4, -6);

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
