// A checkpoint's weights, memory-mapped. In: an index. Out: tensor lookup for the pack builder. Never writes.
import { DomainError } from '../../infra/errors/domain-error.ts';
import { MappedFile } from '../../native/mapped-file.ts';
import type { PlainFormat } from '../../native/weight-format.ts';
import type { CheckpointIndex } from './checkpoint-index.ts';
import type { TensorBytes } from './quantization/packed-matrix-of.ts';
import { badTensor, floatTypeOf } from './quantization/tensor-lookup.ts';

/** Where a tensor lies in a mapped file. */
export interface TensorLocation {
  readonly file: MappedFile;
  /** From the beginning of the file, in bytes. */
  readonly offset: number;
  readonly dtype: PlainFormat;
  readonly shape: readonly number[];
}

export interface Checkpoint {
  /** Throws DomainError `bad_checkpoint` when there is no such tensor or its dtype is not read. */
  tensor(name: string): TensorLocation;
  /** Tensors of any dtype, for packed matrices. */
  readonly bytes: TensorBytes;
  close(): void;
}

/** Maps the files of `index`. Throws DomainError `bad_checkpoint` when one cannot be mapped. */
export function openCheckpoint(index: CheckpointIndex): Checkpoint {
  const files = new Map<string, MappedFile>();
  const fileAt = (path: string): MappedFile => {
    const file = files.get(path) ?? mapFile(path);
    files.set(path, file);
    return file;
  };
  return {
    tensor(name) {
      const entry = index.tensors.get(name);
      if (entry === undefined) throw new DomainError('bad_checkpoint', `${index.folder}: tensor "${name}" is missing`);
      const dtype = floatTypeOf(entry);
      if (dtype === null) throw badTensor({ ...entry, name }, `has dtype ${entry.dtype}, expected F32, F16 or BF16`);
      return { file: fileAt(entry.path), offset: entry.offset, dtype, shape: entry.shape };
    },
    bytes: {
      place: ({ path, offset }) => ({ bytes: fileAt(path), offset }),
      read: ({ path, offset, bytes }) => fileAt(path).read(offset, bytes),
    },
    close() {
      for (const file of files.values()) file.close();
      files.clear();
    },
  };
}

function mapFile(path: string): MappedFile {
  try {
    return MappedFile.open(path);
  } catch (cause) {
    throw new DomainError('bad_checkpoint', `${path} cannot be mapped into memory`, { param: path, cause });
  }
}
