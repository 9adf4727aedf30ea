// Tensors that lie in no file, for tests of what is read of them.
import type { ByteRows } from '../../../../native/packed-matrix.ts';
import { packedLayout } from '../../../../native/weight-format.ts';
import type { CheckpointIndex } from '../../../../workers/model/checkpoint-index.ts';
import {
  packedMatrixOf,
  type RowChoice,
  type TensorBytes,
} from '../../../../workers/model/quantization/packed-matrix-of.ts';
import type { PackedRows } from '../../../../workers/model/quantization/packed-rows.ts';
import type { PackedTensor } from '../../../../workers/model/quantization/stored-tensor.ts';

export interface TensorInMemory {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

export function indexOfBytes(tensors: readonly TensorInMemory[]): CheckpointIndex {
  const path = '/m/model.safetensors';
  const entries = tensors.map(({ name, dtype, shape, data }) => {
    return [name, { path, dtype, shape, offset: 0, bytes: data.length }] as const;
  });
  return { folder: '/m', sources: [path], tensors: new Map(entries) };
}

export function tensorBytes(tensors: readonly TensorInMemory[]): TensorBytes {
  const dataOf = (name: string): Uint8Array => {
    const found = tensors.find((one) => one.name === name);
    if (found === undefined) throw new TypeError(`there is no tensor ${name}`);
    return found.data;
  };
  return { place: ({ name }) => ({ bytes: dataOf(name), offset: 0 }), read: ({ name }) => dataOf(name) };
}

/** Rows of a tensor, gathered from wherever they are. */
export function rowsOf(tensor: PackedTensor, choice: RowChoice, bytes: TensorBytes): PackedRows {
  const { format, outputs, inputs, codes, scales, biases, factor } = packedMatrixOf(tensor, choice, bytes);
  const { bits, group, scaleBytes } = packedLayout(format);
  const scaleRow = (inputs / group) * scaleBytes;
  return {
    format,
    rows: outputs,
    inputs,
    codes: gather(codes, outputs, (inputs * bits) / 8),
    scales: gather(scales, outputs, scaleRow),
    biases: biases === null ? null : gather(biases, outputs, scaleRow),
    factor,
  };
}

function gather({ bytes, offset, stride }: ByteRows, count: number, length: number): Uint8Array {
  if (!(bytes instanceof Uint8Array)) throw new TypeError('the tensor is in memory');
  const rows = new Uint8Array(count * length);
  for (let row = 0; row < count; row += 1) {
    rows.set(bytes.subarray(offset + row * stride, offset + row * stride + length), row * length);
  }
  return rows;
}
