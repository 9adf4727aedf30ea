// The beginning of a GGUF file of version 2 or 3 (gguf-header.ts draws it). In: untrusted bytes. Out: metadata, and where each tensor
// lies, checked against the file's size; or DomainError `bad_checkpoint` naming file, tensor and expectation. Reads no weights.
import { type FileHandle, open } from 'node:fs/promises';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { COPY_AGAIN, fileFailure } from '../../infra/errors/file-failure.ts';
import { EndOfBytes, GgufCursor, type GgufData } from './gguf-cursor.ts';
import { ggufTypeSize } from './gguf-tensor-types.ts';

export interface GgufTensorEntry {
  readonly name: string;
  /** As GGUF numbers it. */
  readonly type: number;
  /** Slowest dimension first, as safetensors has it. */
  readonly shape: readonly number[];
  /** From the beginning of the file. */
  readonly offset: number;
  readonly bytes: number;
}

export interface GgufFile {
  readonly path: string;
  readonly metadata: ReadonlyMap<string, GgufData>;
  readonly tensors: ReadonlyMap<string, GgufTensorEntry>;
}

const FIRST_READ_BYTES = 8 * 1024 * 1024;
/** Metadata has vocabularies, not weights. */
const MAX_HEADER_BYTES = 1024 * 1024 * 1024;
const DEFAULT_ALIGNMENT = 32;
const MAX_DIMENSIONS = 4;

/** Reads and checks the header of the file at `path`. */
export async function readGguf(path: string): Promise<GgufFile> {
  try {
    const file = await open(path, 'r');
    return await readHeader(file, path).finally(() => file.close());
  } catch (thrown) {
    if (thrown instanceof DomainError) throw thrown;
    throw fileFailure(thrown, 'bad_checkpoint', path) ?? refusal(path, 'cannot be read', thrown);
  }
}

/** A header's length is only known at its end, so more is read until it suffices. */
async function readHeader(file: FileHandle, path: string): Promise<GgufFile> {
  const { size } = await file.stat();
  const most = Math.min(size, MAX_HEADER_BYTES);
  for (let length = Math.min(most, FIRST_READ_BYTES); ; length = Math.min(most, length * 4)) {
    const bytes = Buffer.alloc(length);
    await file.read(bytes, 0, length, 0);
    try {
      return parseGguf(bytes, size, path);
    } catch (thrown) {
      if (!(thrown instanceof EndOfBytes)) throw thrown;
      if (length === most) throw refusal(path, 'is truncated: it ends within its header');
    }
  }
}

/** Throws EndOfBytes where `bytes`, the beginning of the file, end within the header. */
export function parseGguf(bytes: Uint8Array, fileBytes: number, path: string): GgufFile {
  const cursor = new GgufCursor(bytes, (what) => refusal(path, what));
  const magic = cursor.text(4);
  if (magic !== 'GGUF') throw refusal(path, `begins with ${JSON.stringify(magic)}, expected "GGUF"`);
  const version = cursor.u32();
  if (version !== 2 && version !== 3) throw refusal(path, `has version ${version} of GGUF, expected 2 or 3`);
  // An entry takes 13 bytes at least, a tensor 25.
  const [tensorCount, entryCount] = [cursor.count(25, fileBytes, 'tensors'), cursor.count(13, fileBytes, 'entries')];
  const metadata = new Map<string, GgufData>();
  for (let index = 0; index < entryCount; index += 1) {
    const key = cursor.string();
    if (metadata.has(key)) throw refusal(path, `has the entry "${key}" twice`);
    metadata.set(key, cursor.value(cursor.u32(), key));
  }
  const raw = Array.from({ length: tensorCount }, () => readTensor(cursor, path));
  const alignment = alignmentOf(metadata, path);
  const dataStart = Math.ceil(cursor.position / alignment) * alignment;
  return { path, metadata, tensors: placeTensors(raw, { path, alignment, dataStart, fileBytes }) };
}

type RawTensor = Pick<GgufTensorEntry, 'name' | 'type' | 'shape' | 'offset'>;

function readTensor(cursor: GgufCursor, path: string): RawTensor {
  const name = cursor.string();
  const dimensions = cursor.u32();
  if (dimensions < 1 || dimensions > MAX_DIMENSIONS) {
    throw refusal(path, `tensor "${name}" has ${dimensions} dimensions, expected 1 to ${MAX_DIMENSIONS}`);
  }
  const sizes = Array.from({ length: dimensions }, () => cursor.u64(`a size of tensor "${name}"`));
  const elements = sizes.reduce((product, size) => product * size, 1);
  if (!Number.isSafeInteger(elements) || elements < 1) {
    throw refusal(path, `tensor "${name}" has shape [${sizes.join(', ')}], expected between 1 and 2^53 elements`);
  }
  return { name, shape: sizes.toReversed(), type: cursor.u32(), offset: cursor.u64(`the offset of tensor "${name}"`) };
}

function alignmentOf(metadata: ReadonlyMap<string, GgufData>, path: string): number {
  const value = metadata.get('general.alignment') ?? DEFAULT_ALIGNMENT;
  const isPower = typeof value === 'number' && value >= 8 && value <= 65_536 && Number.isInteger(Math.log2(value));
  if (!isPower) throw refusal(path, `has the alignment ${String(value)}, expected a power of two from 8 to 65536`);
  return value;
}

interface Place {
  readonly path: string;
  readonly alignment: number;
  readonly dataStart: number;
  readonly fileBytes: number;
}

function placeTensors(raw: readonly RawTensor[], place: Place): ReadonlyMap<string, GgufTensorEntry> {
  const tensors = new Map<string, GgufTensorEntry>();
  for (const tensor of raw) {
    if (tensors.has(tensor.name)) throw refusal(place.path, `has the tensor "${tensor.name}" twice`);
    tensors.set(tensor.name, placeTensor(tensor, place));
  }
  return tensors;
}

function placeTensor({ name, type, shape, offset }: RawTensor, place: Place): GgufTensorEntry {
  const { path, alignment, dataStart, fileBytes } = place;
  const size = ggufTypeSize(type);
  if (size === null) throw refusal(path, `tensor "${name}" has type ${type}, which GGUF does not have`);
  const inputs = shape.at(-1) ?? 0;
  if (inputs % size.weights !== 0) {
    throw refusal(
      path,
      `tensor "${name}" of ${size.name} has ${inputs} inputs, expected a multiple of ${size.weights}`,
    );
  }
  const bytes = (shape.reduce((product, one) => product * one, 1) / size.weights) * size.bytes;
  if (offset % alignment !== 0)
    throw refusal(path, `tensor "${name}" begins at ${offset}, expected a multiple of ${alignment}`);
  if (dataStart + offset + bytes > fileBytes) {
    const end = `tensor "${name}" ends at byte ${dataStart + offset + bytes}, but the file has ${fileBytes}`;
    throw refusal(path, `${end}: it is truncated`);
  }
  return { name, type, shape, offset: dataStart + offset, bytes };
}

function refusal(path: string, what: string, cause?: unknown): DomainError {
  return new DomainError('bad_checkpoint', `${path}: ${what}${COPY_AGAIN}`, { param: path, cause });
}
