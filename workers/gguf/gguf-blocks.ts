// GGUF's blocks of quantised weights as packed rows, without loss: every block is one or more groups of codes with a scale, and with a
// bias where codes are not signed. In: bytes of rows. Out: PackedRows. Pure.
import { type PackedFormat, type PackedLayout, packedLayout } from '../../native/weight-format.ts';
import { narrowFloats } from '../model/narrow-floats.ts';
import { scaleValues, writeCodes } from '../model/quantization/dequantize-rows.ts';
import type { PackedRows } from '../model/quantization/packed-rows.ts';
import { type BlockTarget, halfAt, unpackQ2K, unpackQ3K, unpackQ4K, unpackQ5K, unpackQ6K } from './gguf-k-blocks.ts';

/** `read(block, out)` gets the bytes of one block and targets of its size. */
export interface GgufBlock {
  readonly name: string;
  /** Of a block. */
  readonly weights: number;
  readonly bytes: number;
  readonly format: PackedFormat;
  readonly read: (block: Uint8Array, out: BlockTarget) => void;
}

/** 16 bytes from `at`: the lower halves are the first 16 codes, the upper ones the others. */
function nibbles(block: Uint8Array, at: number, codes: Uint8Array): void {
  for (let j = 0; j < 16; j += 1) {
    const byte = block[at + j] ?? 0;
    codes[j] = byte & 15;
    codes[j + 16] = byte >> 4;
  }
}

/** A fifth bit for each code, from the u32 at `at`. */
function fifthBits(block: Uint8Array, at: number, codes: Uint8Array): void {
  for (let j = 0; j < 32; j += 1) {
    const bit = ((block[at + (j >> 3)] ?? 0) >> (j & 7)) & 1;
    codes[j] = (codes[j] ?? 0) | (bit << 4);
  }
}

function setGroup({ scales, biases }: BlockTarget, scale: number, bias: number): void {
  scales[0] = scale;
  biases[0] = bias;
}

const BLOCKS: ReadonlyMap<number, GgufBlock> = new Map<number, GgufBlock>([
  [
    2,
    {
      ...{ name: 'Q4_0', weights: 32, bytes: 18, format: 'affine4-g32-f16' },
      read(block, out) {
        const d = halfAt(block, 0);
        nibbles(block, 2, out.codes);
        setGroup(out, d, -8 * d);
      },
    },
  ],
  [
    3,
    {
      ...{ name: 'Q4_1', weights: 32, bytes: 20, format: 'affine4-g32-f16' },
      read(block, out) {
        nibbles(block, 4, out.codes);
        setGroup(out, halfAt(block, 0), halfAt(block, 2));
      },
    },
  ],
  [
    6,
    {
      ...{ name: 'Q5_0', weights: 32, bytes: 22, format: 'affine5-g32-f16' },
      read(block, out) {
        const d = halfAt(block, 0);
        nibbles(block, 6, out.codes);
        fifthBits(block, 2, out.codes);
        setGroup(out, d, -16 * d);
      },
    },
  ],
  [
    7,
    {
      ...{ name: 'Q5_1', weights: 32, bytes: 24, format: 'affine5-g32-f16' },
      read(block, out) {
        nibbles(block, 8, out.codes);
        fifthBits(block, 4, out.codes);
        setGroup(out, halfAt(block, 0), halfAt(block, 2));
      },
    },
  ],
  [
    8,
    {
      ...{ name: 'Q8_0', weights: 32, bytes: 34, format: 'affine8-g32-f16' },
      read(block, out) {
        const d = halfAt(block, 0);
        // Signed bytes, counted from -128.
        for (let j = 0; j < 32; j += 1) out.codes[j] = (block[2 + j] ?? 0) ^ 0x80;
        setGroup(out, d, -128 * d);
      },
    },
  ],
  [10, { name: 'Q2_K', weights: 256, bytes: 84, format: 'affine2-g16-f32', read: unpackQ2K }],
  [11, { name: 'Q3_K', weights: 256, bytes: 110, format: 'affine3-g16-f32', read: unpackQ3K }],
  [12, { name: 'Q4_K', weights: 256, bytes: 144, format: 'affine4-g32-f32', read: unpackQ4K }],
  [13, { name: 'Q5_K', weights: 256, bytes: 176, format: 'affine5-g32-f32', read: unpackQ5K }],
  [14, { name: 'Q6_K', weights: 256, bytes: 210, format: 'affine6-g16-f32', read: unpackQ6K }],
  [
    39,
    {
      ...{ name: 'MXFP4', weights: 32, bytes: 17, format: 'e2m1-g32-e8m0' },
      read(block, out) {
        nibbles(block, 1, out.codes);
        setGroup(out, block[0] ?? 0, 0);
      },
    },
  ],
]);

/** null for a type that has no blocks or is not read. */
export function ggufBlock(type: number): GgufBlock | null {
  return BLOCKS.get(type) ?? null;
}

/** Rows of `inputs` weights each, a multiple of the block's. Throws RangeError for a bias that its type cannot hold. */
export function unpackRows(block: GgufBlock, bytes: Uint8Array, inputs: number): PackedRows {
  const layout = packedLayout(block.format);
  const { group, affine, bits } = layout;
  const count = bytes.length / block.bytes;
  const weights = count * block.weights;
  const codes = new Uint8Array(weights);
  const scales = new Float32Array(weights / group);
  const biases = new Float32Array(scales.length);
  const groups = block.weights / group;
  for (let index = 0; index < count; index += 1) {
    block.read(bytes.subarray(index * block.bytes, (index + 1) * block.bytes), {
      codes: codes.subarray(index * block.weights, (index + 1) * block.weights),
      scales: scales.subarray(index * groups, (index + 1) * groups),
      biases: biases.subarray(index * groups, (index + 1) * groups),
    });
  }
  return {
    format: block.format,
    rows: weights / inputs,
    inputs,
    codes: writeCodes(codes, bits),
    scales: encode(scales, layout),
    biases: affine ? checked(encode(biases, layout), block.format) : null,
    factor: 1,
  };
}

function encode(values: Float32Array<ArrayBuffer>, { scales: type }: PackedLayout): Uint8Array {
  if (type === 'e8m0' || type === 'e4m3') return Uint8Array.from(values);
  return new Uint8Array(narrowFloats(values, type).buffer);
}

function checked(biases: Uint8Array, format: PackedFormat): Uint8Array {
  if (scaleValues(biases, format).every(Number.isFinite)) return biases;
  throw new RangeError('a scale is not finite, or too large for its bias');
}
