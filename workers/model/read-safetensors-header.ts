// The header of a safetensors file. In: untrusted bytes. Out: where each tensor lies, checked against the file's size, or
// DomainError `bad_checkpoint` naming file, tensor and expectation. Reads no weights.
//
//   u64 little-endian N | N bytes of JSON {name: {dtype, shape, data_offsets}} | data, offsets counted from here
import { type FileHandle, open } from 'node:fs/promises';
import { z } from 'zod';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { COPY_AGAIN, fileFailure } from '../../infra/errors/file-failure.ts';

/** The cap the format itself sets, in bytes. */
const MAX_HEADER_BYTES = 100_000_000;

const PREFIX_BYTES = 8;
/** The first bytes of the text that stands for a file which was cloned without Git LFS. */
const LFS_POINTER = 'version ';

/** Bytes per element of the storage types whose elements are whole bytes. */
const DTYPE_BYTES: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
};

/** Of an element; NaN for a type whose elements are not whole bytes. */
export function dtypeBytes(dtype: string): number {
  return DTYPE_BYTES[dtype] ?? Number.NaN;
}

/** One tensor of a safetensors file. `dtype` is the file's own name; which ones are usable is decided where it is used. */
export interface SafetensorsEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** From the beginning of the file. */
  readonly offset: number;
  readonly bytes: number;
}

const count = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(count),
  data_offsets: z.tuple([count, count]),
});

/** Reads and checks the header of the file at `path`. Throws DomainError `bad_checkpoint`. */
export async function readSafetensorsHeader(path: string): Promise<ReadonlyMap<string, SafetensorsEntry>> {
  try {
    const file = await open(path, 'r');
    return await readHeader(file, path).finally(() => file.close());
  } catch (thrown) {
    if (thrown instanceof DomainError) throw thrown;
    throw fileFailure(thrown, 'bad_checkpoint', path) ?? refusal(path, 'cannot be read', thrown);
  }
}

async function readHeader(file: FileHandle, path: string): Promise<ReadonlyMap<string, SafetensorsEntry>> {
  const { size } = await file.stat();
  const prefix = await readExactly(file, 0, Math.min(size, PREFIX_BYTES));
  const headerBytes = parseHeaderLength(prefix, size, path);
  return parseSafetensorsHeader(await readExactly(file, PREFIX_BYTES, headerBytes), size, path);
}

async function readExactly(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, position);
  return bytes.subarray(0, bytesRead);
}

/**
 * Length of the JSON header in bytes, from the file's first 8 bytes. Throws DomainError `bad_checkpoint` when the header
 * is longer than the format allows or than the file.
 */
export function parseHeaderLength(prefix: Uint8Array, fileBytes: number, path: string): number {
  if (prefix.length < PREFIX_BYTES) {
    throw refusal(path, `is truncated: ${fileBytes} bytes, expected at least the 8 that give the header's length`);
  }
  if (new TextDecoder('latin1').decode(prefix) === LFS_POINTER) {
    const message = `${path} is a pointer of Git LFS; fetch what it points to with \`git lfs pull\``;
    throw new DomainError('bad_checkpoint', message, { param: path });
  }
  const length = new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw refusal(path, `declares a header of ${length} bytes, expected at most ${MAX_HEADER_BYTES}`);
  }
  if (length > BigInt(fileBytes - PREFIX_BYTES)) {
    throw refusal(
      path,
      `declares a header of ${length} bytes, but only ${fileBytes - PREFIX_BYTES} follow: the file is truncated or not a safetensors file`,
    );
  }
  return Number(length);
}

/** Parses the JSON header and checks every tensor against the file. Throws DomainError `bad_checkpoint`. */
export function parseSafetensorsHeader(
  header: Uint8Array,
  fileBytes: number,
  path: string,
): ReadonlyMap<string, SafetensorsEntry> {
  const { text, value } = parseJsonObject(header, path);
  refuseDuplicateNames(text, path);
  const dataStart = PREFIX_BYTES + header.length;
  const entries = new Map<string, SafetensorsEntry>();
  for (const [name, raw] of Object.entries(value)) {
    if (name !== '__metadata__') entries.set(name, parseEntry(name, raw, dataStart, fileBytes, path));
  }
  refuseOverlaps(entries, path);
  return entries;
}

function parseJsonObject(header: Uint8Array, path: string): { text: string; value: Record<string, unknown> } {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(header);
    const value: unknown = JSON.parse(text);
    return { text, value: z.record(z.string(), z.unknown()).parse(value) };
  } catch (cause) {
    throw refusal(path, 'has a header that is not a JSON object', cause);
  }
}

function parseEntry(name: string, raw: unknown, dataStart: number, fileBytes: number, path: string): SafetensorsEntry {
  const parsed = entrySchema.safeParse(raw);
  if (!parsed.success) {
    throw refusal(path, `tensor "${name}": expected {dtype: string, shape: [sizes], data_offsets: [begin, end]}`);
  }
  const { dtype, shape, data_offsets: offsets } = parsed.data;
  const [begin, end] = offsets;
  const dataBytes = fileBytes - dataStart;
  if (begin > end || end > dataBytes) {
    throw refusal(path, `tensor "${name}": data_offsets [${begin}, ${end}] leave the ${dataBytes} bytes of data`);
  }
  refuseWrongByteCount(name, dtype, shape, end - begin, path);
  return { dtype, shape, offset: dataStart + begin, bytes: end - begin };
}

function refuseWrongByteCount(
  name: string,
  dtype: string,
  shape: readonly number[],
  bytes: number,
  path: string,
): void {
  const elementBytes = Object.hasOwn(DTYPE_BYTES, dtype) ? DTYPE_BYTES[dtype] : undefined;
  if (elementBytes === undefined) return;
  const expected = shape.reduce((product, size) => product * size, elementBytes);
  if (expected !== bytes) {
    throw refusal(
      path,
      `tensor "${name}": ${dtype} of shape [${shape.join(', ')}] takes ${expected} bytes, but data_offsets span ${bytes}`,
    );
  }
}

/** Holes between tensors are harmless; overlapping ones mean that at least one is wrong. */
function refuseOverlaps(entries: ReadonlyMap<string, SafetensorsEntry>, path: string): void {
  const byOffset = [...entries].filter(([, entry]) => entry.bytes > 0).sort(([, a], [, b]) => a.offset - b.offset);
  for (const [index, [name, entry]] of byOffset.entries()) {
    const next = byOffset[index + 1];
    if (next !== undefined && next[1].offset < entry.offset + entry.bytes) {
      throw refusal(path, `tensors "${name}" and "${next[0]}" overlap`);
    }
  }
}

/** JSON.parse silently keeps the last of two equal names, so duplicates are searched for in the text. */
function refuseDuplicateNames(text: string, path: string): void {
  const seen = new Set<string>();
  let depth = 0;
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"(?:\s*:)?|[{}[\]]/g)) {
    if (token === '{' || token === '[') depth += 1;
    else if (token === '}' || token === ']') depth -= 1;
    else if (depth === 1 && token.endsWith(':')) {
      const name = String(JSON.parse(token.slice(0, token.lastIndexOf('"') + 1)));
      if (seen.has(name)) throw refusal(path, `names tensor "${name}" twice`);
      seen.add(name);
    }
  }
}

function refusal(path: string, what: string, cause?: unknown): DomainError {
  return new DomainError('bad_checkpoint', `${path} ${what}${COPY_AGAIN}`, { param: path, cause });
}
