// GGUF's super-blocks of 256 weights: sub-blocks of 16 or 32 whose scales are small integers times one or two f16 numbers. Pure. Products
// of both are exact in f32.

/** Where a block goes: codes [weights], scales and biases [weights / group]. */
export interface BlockTarget {
  readonly codes: Uint8Array;
  readonly scales: Float32Array;
  readonly biases: Float32Array;
}

const half = new DataView(new ArrayBuffer(2));

/** The f16 at `at`. */
export function halfAt(block: Uint8Array, at: number): number {
  half.setUint8(0, block[at] ?? 0);
  half.setUint8(1, block[at + 1] ?? 0);
  const bits = half.getUint16(0, true);
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** 16 bytes of scale and minimum (4 bits each), 64 bytes of codes, d, dmin: weight = d * scale * code - dmin * minimum. */
export function unpackQ2K(block: Uint8Array, { codes, scales, biases }: BlockTarget): void {
  const [d, dmin] = [halfAt(block, 80), halfAt(block, 82)];
  for (let group = 0; group < 16; group += 1) {
    const byte = block[group] ?? 0;
    scales[group] = d * (byte & 15);
    biases[group] = -dmin * (byte >> 4);
  }
  for (let index = 0; index < 256; index += 1) codes[index] = pairAt(block, 16, index);
}

/** Two bits: 32 bytes hold 4 times 32 weights, the first in the lowest bits. */
function pairAt(block: Uint8Array, at: number, index: number): number {
  const byte = block[at + (index >> 7) * 32 + (index & 31)] ?? 0;
  return (byte >> (((index >> 5) & 3) * 2)) & 3;
}

/** 32 bytes of third bits, 64 of lower bits, 12 of scales, d: weight = d * (scale - 32) * (code - 4). */
export function unpackQ3K(block: Uint8Array, { codes, scales, biases }: BlockTarget): void {
  const d = halfAt(block, 108);
  for (let group = 0; group < 16; group += 1) {
    const scale = d * (q3Scale(block, group) - 32);
    scales[group] = scale;
    biases[group] = -4 * scale;
  }
  for (let index = 0; index < 256; index += 1) {
    const third = ((block[index & 31] ?? 0) >> (index >> 5)) & 1;
    codes[index] = pairAt(block, 32, index) | (third << 2);
  }
}

/** Six bits: the lower four in bytes 96 to 103, two scales in each, the upper two in bytes 104 to 107, four in each. */
function q3Scale(block: Uint8Array, group: number): number {
  const low = ((block[96 + (group & 7)] ?? 0) >> (group < 8 ? 0 : 4)) & 15;
  const high = ((block[104 + (group & 3)] ?? 0) >> ((group >> 2) * 2)) & 3;
  return low | (high << 4);
}

/** d, dmin, 12 bytes of scales and minima, 128 of codes: weight = d * scale * code - dmin * minimum. */
export function unpackQ4K(block: Uint8Array, out: BlockTarget): void {
  setScales(block, out);
  for (let index = 0; index < 256; index += 1) out.codes[index] = nibbleAt(block, 16, index);
}

/** As Q4_K, with 32 bytes of fifth bits before the codes. */
export function unpackQ5K(block: Uint8Array, out: BlockTarget): void {
  setScales(block, out);
  for (let index = 0; index < 256; index += 1) {
    const fifth = ((block[16 + (index & 31)] ?? 0) >> (index >> 5)) & 1;
    out.codes[index] = nibbleAt(block, 48, index) | (fifth << 4);
  }
}

/** Four bits: 32 bytes hold 64 weights, the first 32 in the lower halves. */
function nibbleAt(block: Uint8Array, at: number, index: number): number {
  const byte = block[at + (index >> 6) * 32 + (index & 31)] ?? 0;
  return (index & 32) === 0 ? byte & 15 : byte >> 4;
}

/** Of 8 sub-blocks, six bits each: the first four in bytes of their own, whose upper bits belong to the last four. */
function setScales(block: Uint8Array, { scales, biases }: BlockTarget): void {
  const [d, dmin] = [halfAt(block, 0), halfAt(block, 2)];
  const byteAt = (index: number): number => block[4 + index] ?? 0;
  for (let group = 0; group < 8; group += 1) {
    const first = group < 4;
    const scale = first ? byteAt(group) & 63 : (byteAt(group + 4) & 15) | ((byteAt(group - 4) >> 6) << 4);
    const minimum = first ? byteAt(group + 4) & 63 : (byteAt(group + 4) >> 4) | ((byteAt(group) >> 6) << 4);
    scales[group] = d * scale;
    biases[group] = -dmin * minimum;
  }
}

/** 128 bytes of lower bits, 64 of upper ones, 16 signed scales, d: weight = d * scale * (code - 32). */
export function unpackQ6K(block: Uint8Array, { codes, scales, biases }: BlockTarget): void {
  const d = halfAt(block, 208);
  for (let group = 0; group < 16; group += 1) {
    const scale = d * (((block[192 + group] ?? 0) << 24) >> 24);
    scales[group] = scale;
    biases[group] = -32 * scale;
  }
  for (let index = 0; index < 256; index += 1) {
    const [part, quarter] = [index >> 7, (index >> 5) & 3];
    const low = block[part * 64 + (quarter & 1) * 32 + (index & 31)] ?? 0;
    const high = block[128 + part * 32 + (index & 31)] ?? 0;
    codes[index] = (quarter < 2 ? low & 15 : low >> 4) | (((high >> (quarter * 2)) & 3) << 4);
  }
}
