// Reads vectors.json (generate_vectors.py): what MLX makes of a random matrix in each of its formats.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PackedFormat, PlainFormat } from '../../../native/weight-format.ts';
import { affineFormat, floatFormat } from '../../../workers/model/quantization/packed-rows.ts';
import { REPOSITORY_ROOT } from '../../repository-root.ts';

export interface MlxVector {
  readonly name: string;
  readonly format: PackedFormat;
  /** For nvfp4; null for a scale of 1. */
  readonly globalScale: number | null;
  readonly codes: Uint8Array;
  readonly scales: Uint8Array;
  readonly biases: Uint8Array | null;
  /** What mx.dequantize gives in f32, [rows, inputs]. */
  readonly values: Float32Array;
}

interface JsonVector {
  readonly kind: 'affine' | 'mxfp4' | 'nvfp4' | 'mxfp8';
  readonly bits: 2 | 3 | 4 | 5 | 6 | 8;
  readonly group: 16 | 32 | 64 | 128;
  readonly scaleType?: PlainFormat;
  readonly globalScale?: number | null;
  readonly codes: string;
  readonly scales: string;
  readonly biases?: string;
  readonly values: string;
}

interface JsonVectors {
  readonly rows: number;
  readonly inputs: number;
  readonly source: string;
  readonly vectors: readonly JsonVector[];
}

export function readMlxVectors() {
  const path = join(REPOSITORY_ROOT, 'test', 'golden', 'quantized', 'vectors.json');
  const { rows, inputs, source, vectors } = JSON.parse(readFileSync(path, 'utf8')) as JsonVectors;
  return { rows, inputs, source: floatsOf(source), vectors: vectors.map(vectorOf) };
}

function vectorOf(json: JsonVector): MlxVector {
  const { kind, bits, group, scaleType = 'f32', globalScale = null } = json;
  return {
    name: `${kind} ${bits} bits, group ${group}, ${scaleType}, global scale ${globalScale}`,
    format: formatOf(json),
    globalScale,
    codes: bytesOf(json.codes),
    scales: bytesOf(json.scales),
    biases: json.biases === undefined ? null : bytesOf(json.biases),
    values: floatsOf(json.values),
  };
}

function formatOf({ kind, bits, group, scaleType = 'f32' }: JsonVector): PackedFormat {
  if (kind === 'affine') return affineFormat(bits, group, scaleType);
  return floatFormat(bits === 4 ? 'e2m1' : 'e4m3', group, kind === 'nvfp4' ? 'e4m3' : 'e8m0');
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'base64'));
}

function floatsOf(text: string): Float32Array<ArrayBuffer> {
  return new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer);
}
