// Writes a checkpoint's weights: one safetensors file, or shards with their index. In: groups of tensors. Out: files in a folder.
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { countBytes, type OnProgress } from '../pack/progress.ts';
import { INDEX_FILE, SINGLE_FILE } from './checkpoint-index.ts';
import { headerBytes, type TensorGroup, writeSafetensors } from './write-safetensors.ts';

/** Shards are cut above this size, in bytes, as other tools do. */
export const DEFAULT_SHARD_BYTES = 5e9;

export interface WeightsRequest {
  readonly folder: string;
  readonly groups: readonly TensorGroup[];
  readonly format: 'pt' | 'mlx';
  readonly shardBytes: number;
  readonly onProgress: OnProgress;
}

/** Returns the bytes of all tensors. */
export async function writeWeights(request: WeightsRequest): Promise<number> {
  const { folder, groups, format, shardBytes } = request;
  const totalBytes = groups.reduce((sum, group) => sum + groupBytes(group), 0);
  const advance = countBytes(totalBytes, request.onProgress);
  const shards = cutShards(groups, shardBytes);
  const weightMap: Record<string, string> = {};
  for (const [index, shard] of shards.entries()) {
    const name = shards.length === 1 ? SINGLE_FILE : shardName(index, shards.length);
    await writeSafetensors(join(folder, name), shard, format, (bytes) => advance(`Writing ${name}`, bytes));
    for (const tensor of shard.flatMap(({ tensors }) => tensors)) weightMap[tensor.name] = name;
  }
  if (shards.length > 1) {
    await writeJson(folder, INDEX_FILE, { metadata: { total_size: totalBytes }, weight_map: weightMap });
  }
  return totalBytes;
}

/** Creates the folder of a checkpoint to be written. Throws DomainError `conflict` if it is not empty. */
export async function prepareFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0) {
    throw new DomainError('conflict', `${folder} is not empty: a checkpoint needs a new folder`, { param: folder });
  }
}

export async function writeJson(folder: string, name: string, value: object): Promise<void> {
  await writeFile(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
}

function groupBytes({ tensors }: TensorGroup): number {
  return tensors.reduce((sum, tensor) => sum + headerBytes(tensor), 0);
}

function cutShards(groups: readonly TensorGroup[], shardBytes: number): TensorGroup[][] {
  const shards: TensorGroup[][] = [[]];
  let filled = 0;
  for (const group of groups) {
    const bytes = groupBytes(group);
    if (filled > 0 && filled + bytes > shardBytes) {
      shards.push([]);
      filled = 0;
    }
    shards.at(-1)?.push(group);
    filled += bytes;
  }
  return shards;
}

function shardName(index: number, shards: number): string {
  const digits = (value: number): string => String(value).padStart(5, '0');
  return `model-${digits(index + 1)}-of-${digits(shards)}.safetensors`;
}
