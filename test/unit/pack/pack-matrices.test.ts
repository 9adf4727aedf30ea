import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { NativeError } from '../../../native/native-error.ts';
import type { PackedMatrix } from '../../../native/packed-matrix.ts';
import { matrixBytes, type PackedFormat, packedLayout, panelBytes } from '../../../native/weight-format.ts';
import { packMatrices } from '../../../workers/pack/pack-matrices.ts';
import { REPOSITORY_ROOT } from '../../repository-root.ts';

/** What MLX makes of one matrix [2, 64]: its words, scales, biases and the f32 that it reads from them. */
interface Vector {
  readonly group: number;
  readonly w: readonly number[];
  readonly scales: readonly number[];
  readonly biases?: readonly number[];
  readonly dequant: readonly number[];
}

const VECTORS: Readonly<Record<string, Vector>> = JSON.parse(
  readFileSync(join(REPOSITORY_ROOT, 'test/golden/mlx-quantised-vectors.json'), 'utf8'),
);
const FORMATS: Readonly<Record<string, PackedFormat>> = {
  affine2: 'affine2-g32-f32',
  affine3: 'affine3-g32-f32',
  affine4: 'affine4-g32-f32',
  affine5: 'affine5-g32-f32',
  affine6: 'affine6-g32-f32',
  affine8: 'affine8-g32-f32',
  mxfp4: 'e2m1-g32-e8m0',
  nvfp4: 'e2m1-g16-e4m3',
  mxfp8: 'e4m3-g32-e8m0',
};
const [OUTPUTS, INPUTS] = [2, 64];
const E2M1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6];

function matrixOf(name: string): PackedMatrix {
  const { w, scales, biases, group } = vectorOf(name);
  const format = FORMATS[name] as PackedFormat;
  const bytesOf = (values: readonly number[]) =>
    packedLayout(format).scaleBytes === 4 ? new Uint8Array(Float32Array.from(values).buffer) : Uint8Array.from(values);
  const stride = (INPUTS / group) * packedLayout(format).scaleBytes;
  return {
    format,
    outputs: OUTPUTS,
    inputs: INPUTS,
    codes: { bytes: new Uint8Array(Uint32Array.from(w).buffer), offset: 0, stride: (w.length / OUTPUTS) * 4 },
    scales: { bytes: bytesOf(scales), offset: 0, stride },
    biases: biases === undefined ? null : { bytes: bytesOf(biases), offset: 0, stride },
    factor: 1,
  };
}

function vectorOf(name: string): Vector {
  const vector = VECTORS[name];
  if (vector === undefined) throw new Error(`no vector ${name}`);
  return vector;
}

function bytesOf(matrices: readonly PackedMatrix[]): Uint8Array {
  return Buffer.concat([...packMatrices(matrices)]);
}

/** Reads (output, input) from a panel by the layout as core/panel-layout.h describes it. */
function weightAt(panel: Uint8Array, format: PackedFormat, output: number, input: number): number {
  const view = new DataView(panel.buffer, panel.byteOffset, panel.byteLength);
  const { bits, group, scaleBytes, affine, hasFactor, scales } = packedLayout(format);
  const firstScale = hasFactor ? 128 : 0;
  const scalesBytes = Math.ceil(((INPUTS / group) * 32 * scaleBytes) / 64) * 64;
  const firstCode = firstScale + (affine ? 2 : 1) * scalesBytes;
  const at = (Math.floor(input / group) * 32 + output) * scaleBytes;
  const lower = bits === 3 ? 2 : Math.min(bits, bits < 8 ? 4 : 8);
  const slot = Math.floor((input % 16) / 2) * 2 + Math.floor(output / 16);
  const field = (plane: number, width: number): number => {
    const [register, place] = [Math.floor(slot / (16 / width)), slot % (16 / width)];
    const word = view.getUint16(plane + register * 64 + ((output % 16) * 2 + (input % 2)) * 2, true);
    return (word >> (place * width)) & (2 ** width - 1);
  };
  const unit = firstCode + Math.floor(input / 16) * 64 * bits;
  const code = field(unit, lower) + (lower < bits ? field(unit + 64 * lower, bits - lower) * 2 ** lower : 0);
  if (affine) {
    const product = Math.fround(code * view.getFloat32(firstScale + at, true));
    return Math.fround(product + view.getFloat32(firstScale + scalesBytes + at, true));
  }
  const byte = view.getUint8(firstScale + at);
  const scale =
    scales === 'e8m0' ? 2 ** (byte - 127) : e4m3(byte) * (hasFactor ? view.getFloat32(output * 4, true) : 1);
  const value = bits === 8 ? e4m3(code) : (E2M1[code & 7] ?? 0) * (code > 7 ? -1 : 1);
  return value * scale;
}

function e4m3(code: number): number {
  const [exponent, fraction] = [(code >> 3) & 15, code & 7];
  const magnitude = exponent === 0 ? fraction * 2 ** -9 : (1 + fraction / 8) * 2 ** (exponent - 7);
  return code > 127 ? -magnitude : magnitude;
}

for (const name of Object.keys(FORMATS)) {
  test(`${name}: panels hold what MLX reads from its own words`, () => {
    const matrix = matrixOf(name);
    const panel = bytesOf([matrix]);
    assert.equal(panel.length, panelBytes(matrix.format, INPUTS));
    const read = Array.from({ length: OUTPUTS * INPUTS }, (_, index) =>
      weightAt(panel, matrix.format, Math.floor(index / INPUTS), index % INPUTS),
    );
    assert.deepEqual(read, vectorOf(name).dequant);
  });
}

test('rows of gate and up that lie in turn are taken by their stride', () => {
  const whole = matrixOf('affine4');
  const row = (index: number): PackedMatrix => ({
    ...whole,
    outputs: 1,
    codes: { ...whole.codes, offset: index * whole.codes.stride, stride: 2 * whole.codes.stride },
    scales: { ...whole.scales, offset: index * whole.scales.stride },
    biases: whole.biases === null ? null : { ...whole.biases, offset: index * whole.scales.stride },
  });
  const panels = bytesOf([row(0), row(1)]);
  const size = panelBytes(whole.format, INPUTS);
  assert.equal(panels.length, 2 * size);
  for (const output of [0, 1]) {
    const panel = panels.subarray(output * size, (output + 1) * size);
    assert.equal(weightAt(panel, whole.format, 0, 7), vectorOf('affine4').dequant[output * INPUTS + 7]);
  }
});

test('a matrix of many panels is packed in pieces that equal the whole', () => {
  const [outputs, inputs] = [4000, 16_384];
  const codes = new Uint8Array((outputs * inputs) / 2).fill(0x21);
  const scales = new Uint8Array((outputs * inputs) / 32).fill(120);
  const matrix: PackedMatrix = {
    format: 'e2m1-g32-e8m0',
    outputs,
    inputs,
    codes: { bytes: codes, offset: 0, stride: inputs / 2 },
    scales: { bytes: scales, offset: 0, stride: inputs / 32 },
    biases: null,
    factor: 1,
  };
  const chunks = [...packMatrices([matrix])];
  assert.equal(chunks.length, 3);
  const total = chunks.reduce((sum, { length }) => sum + length, 0);
  assert.equal(total, matrixBytes(matrix.format, outputs, inputs));
});

test('refuses a width that is no multiple of the group, rows that end early and codes that are no numbers', () => {
  const mxfp8 = matrixOf('mxfp8');
  const refused = (matrix: PackedMatrix, message: RegExp) => {
    const fails = (thrown: unknown) => thrown instanceof NativeError && message.test(thrown.message);
    assert.throws(() => packMatrices([matrix]).next(), fails);
  };
  refused({ ...mxfp8, inputs: 48 }, /inputs must be a multiple of the group of 32/);
  refused({ ...mxfp8, outputs: 3 }, /codes end before the last output does/);
  refused({ ...mxfp8, scales: { ...mxfp8.scales, offset: 3 } }, /scales end before/);
  const codes = new Uint8Array(128).fill(0x7f, 70, 71);
  refused({ ...mxfp8, codes: { ...mxfp8.codes, bytes: codes } }, /the code of output 1, input 6 is not a number/);
});
