// Reads GGUF files back, for tests: written from the format's description, not from the writer.
import { readFileSync } from 'node:fs';

export interface ReadGguf {
  readonly metadata: ReadonlyMap<string, unknown>;
  readonly tensors: ReadonlyMap<string, { readonly type: number; readonly dimensions: number[]; readonly at: number }>;
  readonly bytes: Buffer;
}

export function readGguf(path: string): ReadGguf {
  const bytes = readFileSync(path);
  let at = 4;
  /** Moves on by `width` bytes and says where they began. */
  const skip = (width: number): number => {
    at += width;
    return at - width;
  };
  const u32 = (): number => bytes.readUInt32LE(skip(4));
  const u64 = (): number => Number(bytes.readBigUInt64LE(skip(8)));
  const text = (): string => {
    const begin = skip(u64());
    return bytes.toString('utf8', begin, at);
  };
  const value = (type: number): unknown => {
    if (type === 4) return u32();
    if (type === 5) return bytes.readInt32LE(skip(4));
    if (type === 6) return bytes.readFloatLE(skip(4));
    if (type === 8) return text();
    if (type !== 9) throw new Error(`type ${type} at ${at}`);
    const element = u32();
    return Array.from({ length: u64() }, () => value(element));
  };
  if (bytes.toString('latin1', 0, 4) !== 'GGUF' || u32() !== 3) throw new Error('no GGUF 3');
  const tensorCount = u64();
  const entries = u64();
  const metadata = new Map(Array.from({ length: entries }, () => [text(), value(u32())] as const));
  const headers = Array.from({ length: tensorCount }, () => {
    const name = text();
    const dimensions = Array.from({ length: u32() }, u64);
    return { name, dimensions, type: u32(), offset: u64() };
  });
  const data = Math.ceil(at / 32) * 32;
  const tensors = new Map(
    headers.map(({ name, dimensions, type, offset }) => [name, { dimensions, type, at: data + offset }]),
  );
  return { metadata, tensors, bytes };
}
