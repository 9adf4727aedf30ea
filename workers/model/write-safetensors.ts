// Writes a safetensors file of random tensors without holding more than a piece of one in memory.
import { BYTES_PER_WEIGHT, type PlainFormat } from '../../native/weight-format.ts';
import { writeAt, writeFileAtomically } from '../pack/write-file-atomically.ts';
import { type Distribution, syntheticWeights } from './synthetic-weights.ts';

const CHUNK_WEIGHTS = 2 * 1024 * 1024;

// Data that begins at a multiple of 8 can be used where it is mapped.
const HEADER_ALIGNMENT = 8;

const DTYPE_NAMES: Readonly<Record<PlainFormat, string>> = { f32: 'F32', f16: 'F16', bf16: 'BF16' };

export interface WritableTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly distribution: Distribution;
}

/** Writes `tensors` to `path` in their order; `onBytes` counts bytes of weights. */
export async function writeSafetensors(
  path: string,
  tensors: readonly WritableTensor[],
  dtype: PlainFormat,
  seed: number,
  onBytes: (bytes: number) => void,
): Promise<void> {
  await writeFileAtomically(path, async (file) => {
    const header = encodeHeader(tensors, dtype);
    await writeAt(file, header, 0);
    let position = header.length;
    for (const { name, shape, distribution } of tensors) {
      for (const chunk of syntheticWeights(seed, name, countWeights(shape), distribution, dtype, CHUNK_WEIGHTS)) {
        await writeAt(file, chunk, position);
        position += chunk.length;
        onBytes(chunk.length);
      }
    }
  });
}

function encodeHeader(tensors: readonly WritableTensor[], dtype: PlainFormat): Buffer {
  let end = 0;
  const entries = tensors.map(({ name, shape }) => {
    const begin = end;
    end += countWeights(shape) * BYTES_PER_WEIGHT[dtype];
    return [name, { dtype: DTYPE_NAMES[dtype], shape, data_offsets: [begin, end] }] as const;
  });
  const json = JSON.stringify({ __metadata__: { format: 'pt' }, ...Object.fromEntries(entries) });
  const length = Math.ceil(Buffer.byteLength(json) / HEADER_ALIGNMENT) * HEADER_ALIGNMENT;
  // Spaces are the format's own padding.
  const header = Buffer.alloc(8 + length, ' ');
  header.writeBigUInt64LE(BigInt(length));
  header.write(json, 8);
  return header;
}

function countWeights(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
