// A matrix of a quantised tensor as it is packed. In: a PackedTensor, which of its rows, and where tensors are. Out: a PackedMatrix
// whose codes, scales and biases are those of the files where they lie in rows, and are made in memory where they do not:
// transposed codes, scales of blocks, biases that follow from zeros.
import type { ByteRows, PackedMatrix } from '../../../native/packed-matrix.ts';
import { type PlainFormat, packedLayout } from '../../../native/weight-format.ts';
import { widenFloats } from '../../pack/widen-floats.ts';
import { narrowFloats } from '../narrow-floats.ts';
import { scaleValues } from './dequantize-rows.ts';
import type { Biases, NamedTensor, PackedTensor, Scales } from './stored-tensor.ts';
import { transposedCodes, zerosAt } from './transposed-codes.ts';

/** Where tensors are. */
export interface TensorBytes {
  /** A tensor's bytes from its first on, where they lie. */
  place(tensor: NamedTensor): Pick<ByteRows, 'bytes' | 'offset'>;
  /** A copy of all of a tensor's bytes. */
  read(tensor: NamedTensor): Uint8Array;
}

/** Rows first, first + step, ... of [stack * rows]; all of one member of the stack. */
export interface RowChoice {
  readonly first: number;
  readonly step: number;
  readonly count: number;
}

/** Throws DomainError `bad_checkpoint` naming file and tensor for inputs in another order. */
export function packedMatrixOf(tensor: PackedTensor, choice: RowChoice, bytes: TensorBytes): PackedMatrix {
  const { format, inputs } = tensor;
  const rows = Array.from({ length: choice.count }, (_, index) => choice.first + index * choice.step);
  return {
    format,
    outputs: choice.count,
    inputs,
    codes: codesOf(tensor, choice, rows, bytes),
    scales: scalesOf(tensor, choice, rows, bytes),
    biases: biasesOf(tensor, choice, rows, bytes),
    factor: factorOf(tensor, choice, bytes),
  };
}

function codesOf(tensor: PackedTensor, choice: RowChoice, rows: readonly number[], bytes: TensorBytes): ByteRows {
  const rowBytes = (tensor.inputs * packedLayout(tensor.format).bits) / 8;
  const { order, tensor: codes } = tensor.codes;
  if (order === 'rows') return storedRows(codes, rowBytes, choice, bytes);
  return inMemory(transposedCodes(tensor, rows, bytes.read), rows.length);
}

function storedRows(
  tensor: NamedTensor,
  rowBytes: number,
  { first, step }: RowChoice,
  { place }: TensorBytes,
): ByteRows {
  const { bytes, offset } = place(tensor);
  return { bytes, offset: offset + first * rowBytes, stride: step * rowBytes };
}

function inMemory(bytes: Uint8Array, rows: number): ByteRows {
  return { bytes, offset: 0, stride: bytes.length / rows };
}

function scalesOf(tensor: PackedTensor, choice: RowChoice, rows: readonly number[], bytes: TensorBytes): ByteRows {
  const { scales, format, inputs } = tensor;
  const { scaleBytes, group, scales: type } = packedLayout(format);
  if (scales.layout === 'rows') return storedRows(scales.tensor, (inputs / group) * scaleBytes, choice, bytes);
  const values = computedScales(tensor, scales, rows, bytes);
  return inMemory(type === 'e8m0' || type === 'e4m3' ? Uint8Array.from(values) : narrow(values, type), rows.length);
}

type ComputedScales = Exclude<Scales, { layout: 'rows' }>;

/** [rows, groups]; e8m0 as codes. */
function computedScales(
  tensor: PackedTensor,
  scales: ComputedScales,
  rows: readonly number[],
  { read }: TensorBytes,
): Float32Array<ArrayBuffer> {
  const { group } = packedLayout(tensor.format);
  const groups = tensor.inputs / group;
  const stored = read(scales.tensor);
  const cells = scales.type === 'e8m0' ? Float32Array.from(stored) : widenFloats(stored, scales.type);
  const values = new Float32Array(rows.length * groups);
  for (const [place, row] of rows.entries()) {
    for (let index = 0; index < groups; index += 1) {
      values[place * groups + index] = cells[cellOf(scales, tensor.rows, row, index * group)] ?? Number.NaN;
    }
  }
  return values;
}

/** Where the scale of a row and an input is. */
function cellOf(scales: ComputedScales, rows: number, row: number, input: number): number {
  const column = Math.floor(input / scales.inputsPerScale);
  if (scales.layout === 'transposed') return column * rows + row;
  const line = Math.floor(row / rows) * scales.gridRows + Math.floor((row % rows) / scales.rowsPerScale);
  return line * scales.gridColumns + column;
}

function narrow(values: Float32Array<ArrayBuffer>, type: PlainFormat): Uint8Array {
  return new Uint8Array(narrowFloats(values, type).buffer);
}

function biasesOf(
  tensor: PackedTensor,
  choice: RowChoice,
  rows: readonly number[],
  bytes: TensorBytes,
): ByteRows | null {
  const { biases, format, inputs } = tensor;
  const { group, scaleBytes, scales: type } = packedLayout(format);
  if (biases === null || type === 'e8m0' || type === 'e4m3') return null;
  if (biases.kind === 'rows') return storedRows(biases.tensor, (inputs / group) * scaleBytes, choice, bytes);
  return inMemory(narrow(computedBiases(tensor, biases, rows, bytes), type), rows.length);
}

/** [rows, groups]. */
function computedBiases(
  tensor: PackedTensor,
  biases: Exclude<Biases, { kind: 'rows' }>,
  rows: readonly number[],
  bytes: TensorBytes,
): Float32Array<ArrayBuffer> {
  const values = rowScales(tensor, rows, bytes);
  if (biases.kind === 'multiple') return values.map((scale) => scale * biases.by);
  const { group } = packedLayout(tensor.format);
  const groups = tensor.inputs / group;
  const zeroAt = zerosAt(tensor, biases, bytes.read);
  return values.map((scale, index) => {
    const zero = zeroAt((index % groups) * group, rows[Math.floor(index / groups)] ?? 0);
    return -scale * (zero + biases.plus);
  });
}

/** The scales of rows as numbers, wherever they are. */
function rowScales(tensor: PackedTensor, rows: readonly number[], bytes: TensorBytes): Float32Array<ArrayBuffer> {
  const { scales, format, inputs } = tensor;
  if (scales.layout !== 'rows') return computedScales(tensor, scales, rows, bytes);
  const all = scaleValues(bytes.read(scales.tensor), format);
  const groups = inputs / packedLayout(format).group;
  const values = new Float32Array(rows.length * groups);
  for (const [place, row] of rows.entries()) values.set(all.subarray(row * groups, (row + 1) * groups), place * groups);
  return values;
}

function factorOf({ factor, rows, stack }: PackedTensor, { first }: RowChoice, { read }: TensorBytes): number {
  if (factor === null) return 1;
  const values = widenFloats(read(factor.tensor), 'f32');
  const value = values[values.length === stack ? Math.floor(first / rows) : 0] ?? Number.NaN;
  return Math.fround(factor.inverse ? 1 / value : value / factor.divisor);
}
