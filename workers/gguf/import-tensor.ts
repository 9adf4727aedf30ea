// A tensor of a GGUF file as tensors of an MLX checkpoint, piece by piece. Plain numbers stay as they are; blocks become codes, scales
// and biases.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { MappedFile } from '../../native/mapped-file.ts';
import { BYTES_PER_WEIGHT, packedLayout } from '../../native/weight-format.ts';
import type { TensorGroup, TensorHeader } from '../model/write-safetensors.ts';
import { type GgufBlock, ggufBlock, unpackRows } from './gguf-blocks.ts';
import { ggufTypeSize, plainGgufFormat } from './gguf-tensor-types.ts';
import type { GgufTensorEntry } from './read-gguf.ts';

export interface TensorSource {
  readonly path: string;
  readonly file: MappedFile;
  readonly tensor: GgufTensorEntry;
}

/** `part` is null for a tensor that is not below a module. */
interface TensorTarget {
  readonly module: string;
  readonly part: string | null;
}

/** About as many bytes of the file are read at once. */
const PIECE_BYTES = 8 * 1024 * 1024;

/**
 * `heads`: rows are reordered by heads, null for none. llama.cpp rotates neighbours, so it has the rows of a head as
 * first, middle, second, middle + 1, ...; Hugging Face rotates halves. Throws DomainError `bad_checkpoint` for types not read.
 */
export function importTensor(source: TensorSource, target: TensorTarget, heads: number | null): TensorGroup {
  const { type, shape } = source.tensor;
  const plain = plainGgufFormat(type);
  if (plain !== null) {
    const rowBytes = shape.length < 2 ? BYTES_PER_WEIGHT[plain] : (shape.at(-1) ?? 0) * BYTES_PER_WEIGHT[plain];
    const header = { name: fullName(target), dtype: plain.toUpperCase(), shape };
    return { tensors: [header], pieces: () => plainPieces(source, rowBytes, heads) };
  }
  const block = ggufBlock(type);
  if (block === null || shape.length < 2) throw notRead(source);
  return { tensors: packedHeaders(target, block, shape), pieces: () => packedPieces(source, block, heads) };
}

function fullName({ module, part }: TensorTarget): string {
  return part === null ? module : `${module}.${part}`;
}

function packedHeaders(target: TensorTarget, { format }: GgufBlock, shape: readonly number[]): TensorHeader[] {
  const { bits, group, scales, affine } = packedLayout(format);
  const inputs = shape.at(-1) ?? 0;
  const leading = shape.slice(0, -1);
  const dtype = scales === 'e8m0' || scales === 'e4m3' ? 'U8' : scales.toUpperCase();
  const groups = [...leading, inputs / group];
  return [
    { name: fullName(target), dtype: 'U32', shape: [...leading, (inputs * bits) / 32] },
    { name: `${target.module}.scales`, dtype, shape: groups },
    ...(affine ? [{ name: `${target.module}.biases`, dtype, shape: groups }] : []),
  ];
}

function* plainPieces(source: TensorSource, rowBytes: number, heads: number | null): Generator<Uint8Array[]> {
  for (const rows of readRows(source, rowBytes, heads)) yield [rows];
}

function* packedPieces(source: TensorSource, block: GgufBlock, heads: number | null): Generator<Uint8Array[]> {
  const inputs = source.tensor.shape.at(-1) ?? 0;
  const rowBytes = (inputs / block.weights) * block.bytes;
  for (const bytes of readRows(source, rowBytes, heads)) {
    const { codes, scales, biases } = unpack(source, block, bytes, inputs);
    yield [codes, scales, ...(biases === null ? [] : [biases])];
  }
}

function unpack({ path, tensor }: TensorSource, block: GgufBlock, bytes: Uint8Array, inputs: number) {
  try {
    return unpackRows(block, bytes, inputs);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    const message = `${path}: tensor "${tensor.name}" of ${block.name}: ${cause.message}`;
    throw new DomainError('bad_checkpoint', message, { param: tensor.name, cause });
  }
}

/** Some rows at a time; all of a tensor at once where they are reordered. */
function* readRows({ file, tensor }: TensorSource, rowBytes: number, heads: number | null): Generator<Uint8Array> {
  const step = heads === null ? Math.max(1, Math.floor(PIECE_BYTES / rowBytes)) * rowBytes : tensor.bytes;
  for (let done = 0; done < tensor.bytes; done += step) {
    const length = Math.min(step, tensor.bytes - done);
    const rows = file.read(tensor.offset + done, length);
    file.release(tensor.offset + done, length);
    yield heads === null ? rows : halvesOfHeads(rows, rowBytes, heads);
  }
}

/** Rows 0, 2, 4, ... of each head, then 1, 3, 5, ... */
export function halvesOfHeads(rows: Uint8Array, rowBytes: number, heads: number): Uint8Array {
  const perHead = rows.length / rowBytes / heads;
  const half = perHead / 2;
  const ordered = new Uint8Array(rows.length);
  for (let row = 0; row < perHead * heads; row += 1) {
    const [head, place] = [Math.floor(row / perHead), row % perHead];
    const from = head * perHead + (place % half) * 2 + Math.floor(place / half);
    ordered.set(rows.subarray(from * rowBytes, (from + 1) * rowBytes), row * rowBytes);
  }
  return ordered;
}

function notRead({ path, tensor }: TensorSource): DomainError {
  const name = ggufTypeSize(tensor.type)?.name ?? String(tensor.type);
  const message =
    `${path}: tensor "${tensor.name}" has type ${name}, which is not read: take a file of F32, F16, BF16, Q4_0, Q4_1, Q5_0, ` +
    'Q5_1, Q8_0, Q2_K to Q6_K or MXFP4';
  return new DomainError('bad_checkpoint', message, { param: tensor.name });
}
