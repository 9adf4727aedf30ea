// A matrix of a checkpoint in rows along its inputs, some at a time, whatever direction it is stored in.
import { BYTES_PER_WEIGHT } from '../../native/weight-format.ts';
import type { Checkpoint, TensorLocation } from './open-checkpoint.ts';
import type { MatrixSource } from './weight-plan.ts';

/** About as many bytes at once. */
const PIECE_BYTES = 8 * 1024 * 1024;

/** Yields whole rows; gives the pages back. */
export function* readMatrixRows(matrix: MatrixSource, checkpoint: Checkpoint): Generator<Uint8Array> {
  const tensor = checkpoint.tensor(matrix.tensor);
  const rowBytes = matrix.inputs * BYTES_PER_WEIGHT[tensor.dtype];
  const isInRows = matrix.inputStride === 1 && matrix.outputStride === matrix.inputs;
  const step = isInRows ? Math.max(1, Math.floor(PIECE_BYTES / rowBytes)) : matrix.outputs;
  for (let row = 0; row < matrix.outputs; row += step) {
    const rows = Math.min(step, matrix.outputs - row);
    yield isInRows ? readRows(matrix, tensor, row, rows) : gatherRows(matrix, tensor);
  }
}

function readRows({ first, inputs }: MatrixSource, tensor: TensorLocation, row: number, rows: number): Uint8Array {
  const width = BYTES_PER_WEIGHT[tensor.dtype];
  const begin = tensor.offset + (first + row * inputs) * width;
  const bytes = tensor.file.read(begin, rows * inputs * width);
  tensor.file.release(begin, bytes.length);
  return bytes;
}

function gatherRows(matrix: MatrixSource, { file, offset, dtype }: TensorLocation): Uint8Array {
  const { first, outputs, inputs, outputStride, inputStride } = matrix;
  const width = BYTES_PER_WEIGHT[dtype];
  const span = (outputs - 1) * outputStride + (inputs - 1) * inputStride + 1;
  // A copy, because the bytes may begin anywhere.
  const bytes = file.read(offset + first * width, span * width).slice();
  const Elements = dtype === 'f32' ? Uint32Array : Uint16Array;
  const from = new Elements(bytes.buffer);
  const to = new Elements(outputs * inputs);
  for (let output = 0; output < outputs; output += 1) {
    for (let input = 0; input < inputs; input += 1) {
      to[output * inputs + input] = from[output * outputStride + input * inputStride] ?? 0;
    }
  }
  file.release(offset + first * width, span * width);
  return new Uint8Array(to.buffer);
}
