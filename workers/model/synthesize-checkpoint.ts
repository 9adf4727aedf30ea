// Writes a checkpoint of random weights that this engine, transformers and others load: for benchmarks and tests. In: a
// model's config, dtype and seed. Out: a folder with safetensors, config.json, generation_config.json and a tokenizer.
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { BYTES_PER_WEIGHT, type PlainFormat } from '../../native/weight-format.ts';
import type { WeightRole } from '../../native/weight-sections.ts';
import { countBytes, type OnProgress } from '../pack/progress.ts';
import { INDEX_FILE, SINGLE_FILE } from './checkpoint-index.ts';
import { sourcedSections } from './plan-weights.ts';
import { CONFIG_FILE } from './read-model-config.ts';
import type { SizedModel } from './size-config.ts';
import { synthesizeTokenizer } from './synthetic-tokenizer.ts';
import type { Distribution } from './synthetic-weights.ts';
import { type SourcedSection, tensorsOf } from './weight-plan.ts';
import { type WritableTensor, writeSafetensors } from './write-safetensors.ts';

/** Shards are cut above this size, in bytes, as other tools do. */
export const DEFAULT_SHARD_BYTES = 5e9;

export interface SynthesisRequest {
  readonly model: SizedModel;
  readonly dtype: PlainFormat;
  readonly seed: number;
  /** Must be absent or empty. */
  readonly folder: string;
  readonly shardBytes: number;
  readonly onProgress: OnProgress;
}

/** Writes the checkpoint; the config comes last, so an interrupted one is not taken for a model. Throws DomainError. */
export async function synthesizeCheckpoint(request: SynthesisRequest): Promise<void> {
  const { folder } = request;
  const { family, config, outline } = request.model;
  await prepareFolder(folder);
  const tokenizer = synthesizeTokenizer(outline.vocab, outline.maxContext);
  await writeWeights(request, randomTensors(sourcedSections(family, outline, () => false)));
  await writeJson(folder, 'tokenizer.json', tokenizer.tokenizer);
  await writeJson(folder, 'tokenizer_config.json', tokenizer.config);
  const ends = { eos_token_id: tokenizer.endTokenIds, pad_token_id: tokenizer.padTokenId };
  await writeJson(folder, 'generation_config.json', ends);
  const [eos] = tokenizer.endTokenIds;
  const ids = { bos_token_id: null, eos_token_id: eos, pad_token_id: tokenizer.padTokenId };
  await writeJson(folder, CONFIG_FILE, { ...config, ...ids, ...dtypeKeys(request.dtype) });
}

async function prepareFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0) {
    throw new DomainError('conflict', `${folder} is not empty: a synthetic checkpoint needs a new folder`, {
      param: folder,
    });
  }
}

/** transformers 5 reads `dtype`, earlier versions and other engines `torch_dtype`. */
function dtypeKeys(dtype: PlainFormat): Readonly<Record<string, string>> {
  const name = { f32: 'float32', f16: 'float16', bf16: 'bfloat16' }[dtype];
  return { dtype: name, torch_dtype: name };
}

async function writeJson(folder: string, name: string, value: object): Promise<void> {
  await writeFile(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
}

/** Every tensor of the model once, at a scale that keeps activations near 1. */
function randomTensors(sections: readonly SourcedSection[]): readonly WritableTensor[] {
  const tensors = new Map<string, WritableTensor>();
  for (const section of sections) {
    for (const { tensor, tensorShape } of tensorsOf(section.content)) {
      tensors.set(tensor, { name: tensor, shape: tensorShape, distribution: distributionOf(section) });
    }
  }
  return [...tensors.values()];
}

function distributionOf({ role, inputs, content }: SourcedSection): Distribution {
  if (content.kind !== 'vector') return { mean: 0, deviation: role === 'embedding' ? 1 : 1 / Math.sqrt(inputs) };
  return { mean: isNormWeight(role) ? 1 - content.source.add : 0, deviation: 0.1 };
}

function isNormWeight(role: WeightRole): boolean {
  return role.endsWith('Norm');
}

async function writeWeights(request: SynthesisRequest, tensors: readonly WritableTensor[]): Promise<void> {
  const { dtype, seed, folder, shardBytes } = request;
  const bytesOf = (tensor: WritableTensor): number =>
    tensor.shape.reduce((product, size) => product * size, BYTES_PER_WEIGHT[dtype]);
  const totalBytes = tensors.reduce((sum, tensor) => sum + bytesOf(tensor), 0);
  const advance = countBytes(totalBytes, request.onProgress);
  const shards = cutShards(tensors, bytesOf, shardBytes);
  const weightMap: Record<string, string> = {};
  for (const [index, shard] of shards.entries()) {
    const name = shards.length === 1 ? SINGLE_FILE : shardName(index, shards.length);
    await writeSafetensors(join(folder, name), shard, dtype, seed, (bytes) => advance(`Writing ${name}`, bytes));
    for (const tensor of shard) weightMap[tensor.name] = name;
  }
  if (shards.length > 1) {
    await writeJson(folder, INDEX_FILE, { metadata: { total_size: totalBytes }, weight_map: weightMap });
  }
}

function cutShards(
  tensors: readonly WritableTensor[],
  bytesOf: (tensor: WritableTensor) => number,
  shardBytes: number,
): WritableTensor[][] {
  const shards: WritableTensor[][] = [[]];
  let filled = 0;
  for (const tensor of tensors) {
    const bytes = bytesOf(tensor);
    if (filled > 0 && filled + bytes > shardBytes) {
      shards.push([]);
      filled = 0;
    }
    shards.at(-1)?.push(tensor);
    filled += bytes;
  }
  return shards;
}

function shardName(index: number, shards: number): string {
  const digits = (value: number): string => String(value).padStart(5, '0');
  return `model-${digits(index + 1)}-of-${digits(shards)}.safetensors`;
}
