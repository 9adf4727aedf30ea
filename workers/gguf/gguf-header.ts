// The beginning of a GGUF file, version 3: what other engines read of a model before its weights. In: metadata and the
// tensors' names and shapes. Out: bytes, and where each tensor goes behind them. Pure.
//
//   "GGUF"  u32 version  u64 tensors  u64 entries
//   entries: string key, u32 type, value
//   tensors: string name, u32 dimensions, u64 each (the fastest first), u32 type, u64 offset
//   padding to 32, then the tensors' data, each padded to 32
import { BYTES_PER_WEIGHT, type PlainFormat } from '../../native/weight-format.ts';

const VERSION = 3;
const ALIGNMENT = 32;

const VALUE_TYPES = { u32: 4, f32: 6, string: 8, array: 9, i32: 5 } as const;
const TENSOR_TYPES: Readonly<Record<PlainFormat, number>> = { f32: 0, f16: 1, bf16: 30 };

export type GgufValue =
  | { readonly type: 'u32' | 'f32'; readonly value: number }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'strings'; readonly value: readonly string[] }
  | { readonly type: 'i32s'; readonly value: readonly number[] };

export interface GgufTensorShape {
  readonly name: string;
  readonly dtype: PlainFormat;
  /** Slowest dimension first, as safetensors has it. */
  readonly shape: readonly number[];
}

export interface GgufLayout {
  readonly header: Buffer;
  /** Of each tensor, from the beginning of the file, in bytes. */
  readonly offsets: readonly number[];
  readonly fileBytes: number;
}

export function layOutGguf(metadata: ReadonlyMap<string, GgufValue>, tensors: readonly GgufTensorShape[]): GgufLayout {
  let end = 0;
  const offsets = tensors.map((tensor) => {
    const begin = end;
    end = alignUp(begin + tensorBytes(tensor));
    return begin;
  });
  const parts = [Buffer.from('GGUF'), u32(VERSION), u64(tensors.length), u64(metadata.size)];
  for (const [key, value] of metadata) parts.push(string(key), ...encodeValue(value));
  for (const [index, tensor] of tensors.entries()) parts.push(...encodeTensor(tensor, offsets[index] ?? 0));
  const bytes = Buffer.concat(parts);
  const header = Buffer.concat([bytes], alignUp(bytes.length));
  return { header, offsets: offsets.map((offset) => header.length + offset), fileBytes: header.length + end };
}

function encodeValue(entry: GgufValue): Buffer[] {
  switch (entry.type) {
    case 'u32':
      return [u32(VALUE_TYPES.u32), u32(entry.value)];
    case 'f32':
      return [u32(VALUE_TYPES.f32), f32(entry.value)];
    case 'string':
      return [u32(VALUE_TYPES.string), string(entry.value)];
    case 'strings':
      return [...arrayOf(VALUE_TYPES.string, entry.value.length), ...entry.value.map(string)];
    case 'i32s':
      return [...arrayOf(VALUE_TYPES.i32, entry.value.length), Buffer.from(Int32Array.from(entry.value).buffer)];
  }
}

function arrayOf(type: number, length: number): Buffer[] {
  return [u32(VALUE_TYPES.array), u32(type), u64(length)];
}

function encodeTensor({ name, dtype, shape }: GgufTensorShape, offset: number): Buffer[] {
  const dimensions = shape.toReversed();
  return [string(name), u32(dimensions.length), ...dimensions.map(u64), u32(TENSOR_TYPES[dtype]), u64(offset)];
}

function tensorBytes({ shape, dtype }: GgufTensorShape): number {
  return shape.reduce((product, size) => product * size, BYTES_PER_WEIGHT[dtype]);
}

function alignUp(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function f32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([u64(bytes.length), bytes]);
}
