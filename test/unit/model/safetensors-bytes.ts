// Safetensors files made by hand, right or wrong.

export interface HandMadeTensor {
  readonly dtype?: unknown;
  readonly shape?: unknown;
  readonly data_offsets?: unknown;
}

/** Header and `dataBytes` zeros. `header` may be JSON text, to write what an object cannot say. */
export function safetensorsBytes(header: Readonly<Record<string, HandMadeTensor>> | string, dataBytes: number): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(dataBytes)]);
}
