// Writes a safetensors file without holding more than a piece of its tensors in memory.
import { writeAt, writeFileAtomically } from '../pack/write-file-atomically.ts';
import { dtypeBytes } from './read-safetensors-header.ts';

// Data that begins at a multiple of 8 can be used where it is mapped.
const HEADER_ALIGNMENT = 8;

/** `dtype` is the file's own name of it. */
export interface TensorHeader {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
}

/** Tensors that are made together, such as codes and their scales. */
export interface TensorGroup {
  readonly tensors: readonly TensorHeader[];
  /** Each yields the next bytes of each tensor. */
  pieces(): Iterable<readonly Uint8Array[]>;
}

/** Of a tensor. */
export function headerBytes({ dtype, shape }: TensorHeader): number {
  return shape.reduce((product, size) => product * size, dtypeBytes(dtype));
}

/** Writes `groups` to `path` in their order; `format` is the metadata's. `onBytes` counts bytes of weights. */
export async function writeSafetensors(
  path: string,
  groups: readonly TensorGroup[],
  format: 'pt' | 'mlx',
  onBytes: (bytes: number) => void,
): Promise<void> {
  await writeFileAtomically(path, async (file) => {
    const { header, offsets } = layOut(groups, format);
    await writeAt(file, header, 0);
    for (const { tensors, pieces } of groups) {
      const positions = tensors.map(({ name }) => offsets.get(name) ?? 0);
      for (const piece of pieces()) {
        for (const [index, bytes] of piece.entries()) {
          await writeAt(file, bytes, positions[index] ?? 0);
          positions[index] = (positions[index] ?? 0) + bytes.length;
          onBytes(bytes.length);
        }
      }
    }
  });
}

/** `offsets`: of each tensor, from the beginning of the file. */
function layOut(groups: readonly TensorGroup[], format: string): { header: Buffer; offsets: Map<string, number> } {
  let end = 0;
  const entries = groups
    .flatMap(({ tensors }) => tensors)
    .map((tensor) => {
      const begin = end;
      end += headerBytes(tensor);
      return [tensor.name, { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [begin, end] }] as const;
    });
  const json = JSON.stringify({ __metadata__: { format }, ...Object.fromEntries(entries) });
  const length = Math.ceil(Buffer.byteLength(json) / HEADER_ALIGNMENT) * HEADER_ALIGNMENT;
  // Spaces are the format's own padding.
  const header = Buffer.alloc(8 + length, ' ');
  header.writeBigUInt64LE(BigInt(length));
  header.write(json, 8);
  const offsets = entries.map(
    ([
      name,
      {
        data_offsets: [begin = 0],
      },
    ]) => [name, header.length + begin] as const,
  );
  return { header, offsets: new Map(offsets) };
}
