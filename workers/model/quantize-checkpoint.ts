// A checkpoint of plain weights -> one of MLX, quantised. In: a folder, and what to quantise to. Out: a folder that mlx-lm and every
// command here load, and how far the codes are from the weights. Reads and writes some rows at a time.
import { copyFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { type QuantizationError, quantizeRows } from '../../native/quantize-rows.ts';
import { type PackedFormat, packedLayout } from '../../native/weight-format.ts';
import type { WeightRole } from '../../native/weight-sections.ts';
import type { OnProgress } from '../pack/progress.ts';
import { readVector } from '../pack/read-section.ts';
import { INDEX_FILE } from './checkpoint-index.ts';
import { type DescribedCheckpoint, describeCheckpoint } from './describe-checkpoint.ts';
import { familyOf } from './families/model-families.ts';
import { moduleEntries } from './mlx-config.ts';
import { type MlxTarget, mlxTargets, type TargetPart } from './mlx-targets.ts';
import { narrowFloats } from './narrow-floats.ts';
import { type Checkpoint, openCheckpoint } from './open-checkpoint.ts';
import { chosenFormat, type QuantizationChoice } from './quantization-choice.ts';
import { readMatrixRows } from './read-matrix-rows.ts';
import { CONFIG_FILE } from './read-model-config.ts';
import type { TensorGroup } from './write-safetensors.ts';
import { DEFAULT_SHARD_BYTES, prepareFolder, writeJson, writeWeights } from './write-weights.ts';

export interface QuantizeRequest {
  readonly folder: string;
  readonly out: string;
  readonly choice: QuantizationChoice;
  readonly onProgress: OnProgress;
}

/** Of all matrices of a role. */
export interface RoleError {
  readonly role: WeightRole;
  readonly format: PackedFormat;
  /** Root mean square of the differences over that of the weights. */
  readonly relativeRms: number;
  readonly worst: number;
}

export interface QuantizedModel {
  readonly errors: readonly RoleError[];
  /** Of all tensors, before and after. */
  readonly bytesBefore: number;
  readonly bytes: number;
}

type Errors = Map<string, { role: WeightRole; format: PackedFormat; sum: QuantizationError }>;

/** Throws DomainError `bad_config` or `bad_checkpoint` naming what cannot be quantised, `conflict` when `out` is not empty. */
export async function quantizeCheckpoint({
  folder,
  out,
  choice,
  onProgress,
}: QuantizeRequest): Promise<QuantizedModel> {
  const described = await describeCheckpoint(folder);
  refuseQuantised(described);
  const family = familyOf(described.config);
  const targets = mlxTargets(described.sections, family.mlxSources(described.description));
  const checkpoint = openCheckpoint(described.index);
  const errors: Errors = new Map();
  try {
    const chosen = targets.map((target) => ({ target, format: chosenFormat(target, checkpoint, choice) }));
    const groups = chosen.map(({ target, format }) => groupOf(target, format, checkpoint, errors));
    await prepareFolder(out);
    const bytes = await writeWeights({
      folder: out,
      groups,
      format: 'mlx',
      shardBytes: DEFAULT_SHARD_BYTES,
      onProgress,
    });
    await copyOthers(folder, out);
    const quantization = moduleEntries(choice, chosen);
    await writeJson(out, CONFIG_FILE, {
      ...described.config.value,
      quantization,
      quantization_config: quantization,
    });
    const bytesBefore = [...described.index.tensors.values()].reduce((sum, tensor) => sum + tensor.bytes, 0);
    return { errors: [...errors.values()].map(roleError), bytesBefore, bytes };
  } finally {
    checkpoint.close();
  }
}

function refuseQuantised({ sections, folder }: DescribedCheckpoint): void {
  const packed = sections.find((section) => section.packed.length > 0)?.packed[0];
  if (packed === undefined) return;
  const message = `${folder}: tensor "${packed.codes.tensor.name}" is quantised already: take the checkpoint in bf16`;
  throw new DomainError('bad_checkpoint', message, { param: packed.codes.tensor.name });
}

function groupOf(target: MlxTarget, format: PackedFormat | null, checkpoint: Checkpoint, errors: Errors): TensorGroup {
  const { name, shape, parts } = target;
  const dtype = parts[0] === undefined ? 'F32' : checkpoint.tensor(parts[0].source.tensor).dtype.toUpperCase();
  if (format === null) {
    return { tensors: [{ name, dtype, shape }], pieces: () => plainPieces(parts, checkpoint) };
  }
  const { bits, group, affine } = packedLayout(format);
  const [leading, inputs] = [shape.slice(0, -1), shape.at(-1) ?? 0];
  const module = name.replace(/\.weight$/, '');
  const scales = { dtype: affine ? dtype : 'U8', shape: [...leading, inputs / group] };
  return {
    tensors: [
      { name, dtype: 'U32', shape: [...leading, (inputs * bits) / 32] },
      { name: `${module}.scales`, ...scales },
      ...(affine ? [{ name: `${module}.biases`, ...scales }] : []),
    ],
    pieces: () => packedPieces(parts, format, checkpoint, errors),
  };
}

function* plainPieces(parts: readonly TargetPart[], checkpoint: Checkpoint): Generator<Uint8Array[]> {
  for (const part of parts) {
    if (part.kind === 'vector') {
      const { dtype } = checkpoint.tensor(part.source.tensor);
      yield [new Uint8Array(narrowFloats(new Float32Array(readVector(part.source, checkpoint)), dtype).buffer)];
    } else {
      for (const rows of readMatrixRows(part.source, checkpoint)) yield [rows];
    }
  }
}

function* packedPieces(
  parts: readonly TargetPart[],
  format: PackedFormat,
  checkpoint: Checkpoint,
  errors: Errors,
): Generator<Uint8Array[]> {
  for (const part of parts) {
    if (part.kind === 'vector') throw new TypeError('vectors are not quantised');
    const { dtype } = checkpoint.tensor(part.source.tensor);
    for (const rows of readMatrixRows(part.source, checkpoint)) {
      const { codes, scales, biases, error } = quantizeRows(rows, dtype, part.source.inputs, format);
      addError(errors, part.role, format, error);
      yield [codes, scales, ...(biases === null ? [] : [biases])];
    }
  }
}

function addError(errors: Errors, role: WeightRole, format: PackedFormat, error: QuantizationError): void {
  const key = `${role} ${format}`;
  const { squares, weights, worst } = errors.get(key)?.sum ?? { squares: 0, weights: 0, worst: 0 };
  const sum = {
    squares: squares + error.squares,
    weights: weights + error.weights,
    worst: Math.max(worst, error.worst),
  };
  errors.set(key, { role, format, sum });
}

function roleError({
  role,
  format,
  sum,
}: {
  role: WeightRole;
  format: PackedFormat;
  sum: QuantizationError;
}): RoleError {
  return { role, format, relativeRms: Math.sqrt(sum.squares / sum.weights), worst: sum.worst };
}

/** Tokenizer, template, generation config and whatever else is not weights. */
async function copyOthers(folder: string, out: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true });
  for (const { name } of entries.filter((entry) => !entry.isDirectory())) {
    if (name.endsWith('.safetensors') || name === INDEX_FILE || name === CONFIG_FILE) continue;
    await copyFile(join(folder, name), join(out, name));
  }
}
