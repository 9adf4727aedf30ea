// Reads GGUF's numbers, strings and values one after the other. In: bytes of which none is trusted. Out: values, or the error of the
// caller; EndOfBytes where there are no more.

export type GgufData = number | boolean | string | readonly GgufData[];

/** The bytes end before what is read does. */
export class EndOfBytes extends Error {}

const STRING = 8;
const ARRAY = 9;
/** Bytes of a value of each type; of a string and an array, those that give its length. */
const VALUE_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8] as const;
const MAX_DEPTH = 3;
const UTF8 = new TextDecoder();

export class GgufCursor {
  position = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #refuse: (what: string) => Error;

  constructor(bytes: Uint8Array, refuse: (what: string) => Error) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#refuse = refuse;
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** `what` is for messages. */
  u64(what: string): number {
    const value = this.#view.getBigUint64(this.#take(8), true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.#refuse(`${what} is ${value}, expected less than 2^53`);
    return Number(value);
  }

  /** A number of things that take `least` bytes each. */
  count(least: number, fileBytes: number, what: string): number {
    const value = this.u64(`the number of ${what}`);
    if (value * least > fileBytes)
      throw this.#refuse(`declares ${value} ${what}, more than its ${fileBytes} bytes can hold`);
    return value;
  }

  string(): string {
    return this.text(this.u64('the length of a string'));
  }

  text(length: number): string {
    const start = this.#take(length);
    return UTF8.decode(this.#bytes.subarray(start, start + length));
  }

  /** `key` is the entry's, for messages. */
  value(type: number, key: string, depth = 0): GgufData {
    const bytes = VALUE_BYTES[type];
    if (bytes === undefined) throw this.#refuse(`the entry "${key}" has type ${type}, which GGUF does not have`);
    if (type === STRING) return this.string();
    if (type !== ARRAY) return this.#number(type, this.#take(bytes), key);
    if (depth === MAX_DEPTH) throw this.#refuse(`the entry "${key}" has arrays in arrays, more than ${MAX_DEPTH} deep`);
    return this.#array(key, depth);
  }

  #array(key: string, depth: number): readonly GgufData[] {
    const type = this.u32();
    const length = this.u64(`the length of the entry "${key}"`);
    // Before an array of that length is made.
    if (length * (VALUE_BYTES[type] ?? 1) > this.#bytes.length - this.position) throw new EndOfBytes(key);
    return Array.from({ length }, () => this.value(type, key, depth + 1));
  }

  #number(type: number, at: number, key: string): number | boolean {
    const view = this.#view;
    switch (type) {
      case 0:
        return view.getUint8(at);
      case 1:
        return view.getInt8(at);
      case 2:
        return view.getUint16(at, true);
      case 3:
        return view.getInt16(at, true);
      case 4:
        return view.getUint32(at, true);
      case 5:
        return view.getInt32(at, true);
      case 6:
        return shortest(view.getFloat32(at, true));
      case 7:
        return view.getUint8(at) !== 0;
      case 12:
        return view.getFloat64(at, true);
      default:
        return this.#wide(type === 10 ? view.getBigUint64(at, true) : view.getBigInt64(at, true), key);
    }
  }

  #wide(value: bigint, key: string): number {
    if (Number.isSafeInteger(Number(value))) return Number(value);
    throw this.#refuse(`the entry "${key}" is ${value}, expected less than 2^53`);
  }

  #take(bytes: number): number {
    const start = this.position;
    if (bytes > this.#bytes.length - start) throw new EndOfBytes('the bytes end');
    this.position += bytes;
    return start;
  }
}

/** The decimal that an f32 was written from: 1e-6, and not 9.999999974752427e-7. */
function shortest(value: number): number {
  const digits = [6, 7, 8].find((count) => Math.fround(Number(value.toPrecision(count))) === value);
  return digits === undefined ? value : Number(value.toPrecision(digits));
}
