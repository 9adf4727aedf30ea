// MLX's quantisers, in f32 step by step. In: rows of f32 weights. Out: canonical rows. Pure.
import { type PackedFormat, type PackedLayout, packedLayout } from '../../../native/weight-format.ts';
import { narrowFloats, type WeightBits } from '../narrow-floats.ts';
import { writeCodes } from './dequantize-rows.ts';
import { E2M1_MAX, E4M3, E4M3_MAX, E8M0, toE2m1, toE4m3, toE8m0 } from './float-codes.ts';
import type { PackedRows } from './packed-rows.ts';

const { fround } = Math;

/** Smallest scale of a group: MLX's, as f32. */
const LEAST_SCALE = fround(1e-7);

/** `weights` is [rows, inputs]; the group divides the inputs. Weights are finite. */
export function quantizeRows(weights: Float32Array, inputs: number, format: PackedFormat): PackedRows {
  const rows = weights.length / inputs;
  const layout = packedLayout(format);
  const coded = layout.affine ? quantizeAffine(weights, layout) : quantizeFloat(weights, layout);
  return { format, rows, inputs, ...coded, factor: 1 };
}

type Coded = Pick<PackedRows, 'codes' | 'scales' | 'biases'>;

function quantizeAffine(weights: Float32Array, { bits, group, scales: type }: PackedLayout): Coded {
  const codes = new Uint8Array(weights.length);
  const scales = new Float32Array(weights.length / group);
  const biases = new Float32Array(scales.length);
  const last = 2 ** bits - 1;
  for (let index = 0; index < scales.length; index += 1) {
    const members = weights.subarray(index * group, (index + 1) * group);
    const { scale, bias } = affineScale(members, last);
    for (const [member, weight] of members.entries()) {
      const code = roundHalfEven(fround(fround(weight - bias) / scale));
      codes[index * group + member] = Math.min(Math.max(code, 0), last);
    }
    scales[index] = scale;
    biases[index] = bias;
  }
  return { codes: writeCodes(codes, bits), scales: bytesOf(scales, type), biases: bytesOf(biases, type) };
}

/** The edge of larger magnitude is exact, and so is zero when the group spans it. */
function affineScale(weights: Float32Array, last: number): { readonly scale: number; readonly bias: number } {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const weight of weights) {
    if (weight < least) least = weight;
    if (weight > most) most = weight;
  }
  const fromBelow = Math.abs(least) > Math.abs(most);
  const width = Math.max(fround(fround(most - least) / last), LEAST_SCALE);
  const scale = fromBelow ? width : -width;
  const edge = fromBelow ? least : most;
  const steps = roundHalfEven(fround(edge / scale));
  return steps === 0 ? { scale, bias: 0 } : { scale: fround(edge / steps), bias: edge };
}

function quantizeFloat(weights: Float32Array, { bits, group, scales: scaleType }: PackedLayout): Coded {
  const codes = new Uint8Array(weights.length);
  const scales = new Uint8Array(weights.length / group);
  const [most, toCode] = bits === 4 ? [E2M1_MAX, toE2m1] : [E4M3_MAX, toE4m3];
  for (let index = 0; index < scales.length; index += 1) {
    const members = weights.subarray(index * group, (index + 1) * group);
    const ideal = fround(members.reduce((largest, weight) => Math.max(largest, Math.abs(weight)), 0) / most);
    const code = scaleType === 'e4m3' ? toE4m3(ideal) : toE8m0(ideal);
    const scale = (scaleType === 'e4m3' ? E4M3[code] : E8M0[code]) ?? 0;
    for (const [member, weight] of members.entries()) {
      codes[index * group + member] = scale === 0 ? 0 : toCode(fround(weight / scale));
    }
    scales[index] = code;
  }
  return { codes: writeCodes(codes, bits), scales, biases: null };
}

function bytesOf(values: Float32Array<ArrayBuffer>, type: PackedLayout['scales']): Uint8Array {
  if (type === 'e8m0' || type === 'e4m3') throw new TypeError('affine scales are plain numbers');
  const bits: WeightBits = narrowFloats(values, type);
  return new Uint8Array(bits.buffer);
}

export function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
