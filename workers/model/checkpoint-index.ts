// Which tensors a checkpoint folder has and where. In: a folder with model.safetensors, or shards and
// model.safetensors.index.json. Out: an index of every tensor, or DomainError `bad_checkpoint`. Reads no weights and
// needs no native addon.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { COPY_AGAIN, fileFailure } from '../../infra/errors/file-failure.ts';
import { readSafetensorsHeader, type SafetensorsEntry } from './read-safetensors-header.ts';

export const SINGLE_FILE = 'model.safetensors';
export const INDEX_FILE = 'model.safetensors.index.json';

/** A tensor and the file it lies in. */
export interface IndexedTensor extends SafetensorsEntry {
  readonly path: string;
}

export interface CheckpointIndex {
  readonly folder: string;
  /** Every file that holds weights or says where they are, sorted by name. */
  readonly sources: readonly string[];
  readonly tensors: ReadonlyMap<string, IndexedTensor>;
}

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/** Reads the headers of a checkpoint's files. Throws DomainError `bad_checkpoint` naming file and tensor. */
export async function readCheckpointIndex(folder: string): Promise<CheckpointIndex> {
  if (existsSync(join(folder, SINGLE_FILE))) return readSingleFile(folder);
  if (existsSync(join(folder, INDEX_FILE))) return readShards(folder);
  throw new DomainError('bad_checkpoint', `${folder}: expected ${SINGLE_FILE} or ${INDEX_FILE} with its shards`, {
    param: folder,
  });
}

async function readSingleFile(folder: string): Promise<CheckpointIndex> {
  const path = join(folder, SINGLE_FILE);
  const entries = await readSafetensorsHeader(path);
  const tensors = new Map([...entries].map(([name, entry]) => [name, { ...entry, path }]));
  return { folder, sources: [path], tensors };
}

async function readShards(folder: string): Promise<CheckpointIndex> {
  const indexPath = join(folder, INDEX_FILE);
  const weightMap = await readWeightMap(indexPath);
  const shardNames = [...new Set(weightMap.values())].sort();
  const shards = new Map<string, ReadonlyMap<string, SafetensorsEntry>>();
  for (const name of shardNames) shards.set(name, await readShard(folder, name));
  const tensors = new Map<string, IndexedTensor>();
  for (const [tensor, shard] of weightMap) {
    const entry = shards.get(shard)?.get(tensor);
    if (entry === undefined) throw refusal(indexPath, `places tensor "${tensor}" in ${shard}, which does not have it`);
    tensors.set(tensor, { ...entry, path: join(folder, shard) });
  }
  return { folder, sources: [indexPath, ...shardNames.map((name) => join(folder, name))].sort(), tensors };
}

/** Files that an index places tensors in, sorted. Throws DomainError `bad_checkpoint` for a damaged index. */
export async function readShardNames(indexPath: string): Promise<readonly string[]> {
  return [...new Set((await readWeightMap(indexPath)).values())].sort();
}

async function readShard(folder: string, name: string): Promise<ReadonlyMap<string, SafetensorsEntry>> {
  const indexPath = join(folder, INDEX_FILE);
  // A name with a path in it could point anywhere on the machine.
  if (name !== basename(name) || name === '..') throw refusal(indexPath, `names shard "${name}": expected a file name`);
  const path = join(folder, name);
  if (!existsSync(path))
    throw refusal(indexPath, `names shard ${name}, which is missing; copy it to where the index is`);
  return readSafetensorsHeader(path);
}

async function readWeightMap(indexPath: string): Promise<ReadonlyMap<string, string>> {
  try {
    const value: unknown = JSON.parse(await readFile(indexPath, 'utf8'));
    return new Map(Object.entries(indexSchema.parse(value).weight_map));
  } catch (cause) {
    const what = `is damaged: expected {"weight_map": {tensor: shard file}}${COPY_AGAIN}`;
    throw fileFailure(cause, 'bad_checkpoint', indexPath) ?? refusal(indexPath, what, cause);
  }
}

function refusal(path: string, what: string, cause?: unknown): DomainError {
  return new DomainError('bad_checkpoint', `${path} ${what}`, { param: path, cause });
}
