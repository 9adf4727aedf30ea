// Reads the golden fixtures (README.md) for tests. In: files below fixtures/. Out: typed values; logits stay Float32Array.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { MODEL_TYPES } from '../../workers/model/families/model-families.ts';
import { REPOSITORY_ROOT } from '../repository-root.ts';

/** Folder of all fixtures: `<name>/` for DBRX, `<model_type>/<shape>/` for the others. */
export const FIXTURES = join(REPOSITORY_ROOT, 'test', 'golden', 'fixtures');

/** Folder of quantised checkpoints. */
export const QUANTIZED_FIXTURES = join(REPOSITORY_ROOT, 'test', 'golden', 'quantized', 'fixtures');

/** An f32 matrix, row-major `[rows, columns]`. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array;
}

export interface GreedyContinuation {
  readonly prompt: readonly number[];
  /** The 64 tokens that follow `prompt` in the f32 run. */
  readonly tokens: readonly number[];
  /** Lead of each token's logit over the second largest, f32 run. */
  readonly margins: readonly number[];
  /** Largest error of transformers' own run in the fixture's dtype at each step; null for f32. */
  readonly dtypeErrors: readonly number[] | null;
}

interface GoldenJson {
  readonly name: string;
  readonly covers: string;
  readonly dtype: 'f32' | 'bf16' | 'f16';
  readonly tokens: readonly number[];
  /** Positions in `tokens` whose logits are kept, ascending. */
  readonly positions: readonly number[];
  /** Largest |logit| of the f32 run. */
  readonly scale: number;
  readonly greedy: GreedyContinuation;
  /** Error of transformers' run in the fixture's dtype against f32, over the kept rows; null for f32. */
  readonly dtypeError: { readonly max: number; readonly rms: number } | null;
}

export interface GoldenFixture extends GoldenJson {
  /** The checkpoint: config.json and safetensors. */
  readonly folder: string;
  /** f32 run of transformers, `[positions, vocab]`. */
  readonly logits: Matrix;
  /** Run of transformers in the fixture's dtype, `[positions, vocab]`; null for f32. */
  readonly dtypeLogits: Matrix | null;
}

/** Names of all fixtures, sorted. */
export function goldenNames(root: string = FIXTURES): string[] {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' });
  return files
    .filter((file) => file.endsWith('golden.json'))
    .map(dirname)
    .sort();
}

/** Names of the fixtures whose family the engine has a mapping for, sorted. */
export function servedGoldenNames(): string[] {
  return goldenNames().filter((name) => MODEL_TYPES.includes(modelTypeOf(name)));
}

function modelTypeOf(name: string): string {
  return JSON.parse(readFileSync(join(FIXTURES, name, 'config.json'), 'utf8')).model_type;
}

/** Reads one fixture whole. Throws when a file is missing or is not what the generator writes. */
export function readGolden(name: string, root: string = FIXTURES): GoldenFixture {
  const folder = join(root, name);
  const golden = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')) as GoldenJson;
  const dtypeLogits = golden.dtype === 'f32' ? null : readNpy(join(folder, `logits-${golden.dtype}.npy`));
  return { ...golden, folder, logits: readNpy(join(folder, 'logits.npy')), dtypeLogits };
}

/**
 * Reads a two-dimensional little-endian f32 .npy file (numpy format 1.0: magic, version, u16 header length, header, data).
 * Throws Error for anything else.
 */
export function readNpy(path: string): Matrix {
  const bytes = readFileSync(path);
  const start = 10 + bytes.readUInt16LE(8);
  const header = bytes.toString('latin1', 10, start);
  const shape = /'shape': \((\d+), (\d+)\)/.exec(header);
  if (shape === null || !header.includes("'descr': '<f4'") || !header.includes("'fortran_order': False")) {
    throw new Error(`Expected a two-dimensional f32 array in ${path}, found ${header.trim()}`);
  }
  const [rows, columns] = [Number(shape[1]), Number(shape[2])];
  const data = new Float32Array(bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + bytes.length));
  if (data.length !== rows * columns) throw new Error(`Expected ${rows} x ${columns} values in ${path}`);
  return { rows, columns, data };
}
