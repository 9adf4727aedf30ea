// Which model a node serves: the one in its folder, or the one that its group serves already. Out: where its weights come from,
// and what a leader tells gateways about it.
import { statSync } from 'node:fs';
import { basename } from 'node:path';
import type { Redis } from 'ioredis';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { readNodes } from '../../infra/registry/node-heartbeats.ts';
import { readModelCard } from '../../infra/registry/watch-model-cards.ts';
import { readTokenizerFiles, type TokenizerFiles } from '../../infra/tokenizer/tokenizer-files.ts';
import { type ModelSource, openModelFolder, openPeerModel } from '../model/model-source.ts';
import type { BuildEvents } from '../pack/build-packs.ts';
import type { FindPeers } from '../pack/fetch-pack.ts';

export interface NodeModel {
  /** Name that clients use. */
  readonly name: string;
  readonly source: ModelSource;
  readonly files: TokenizerFiles;
  /** Unix seconds. */
  readonly created: number;
}

export interface NodeModelRequest {
  /** Checkpoint or pack folder; null takes the model that the group serves. */
  readonly folder: string | null;
  /** Null takes the folder's name. */
  readonly name: string | null;
  readonly home: string;
  readonly group: string;
  readonly redis: Redis;
  readonly findPeers: FindPeers;
  readonly events: BuildEvents;
}

/** Throws DomainError naming the file at fault, or `unavailable` when there is no group to take a model from. */
export async function openNodeModel(request: NodeModelRequest): Promise<NodeModel> {
  const { folder, name, home, events, findPeers } = request;
  if (folder === null) return openGroupModel(request);
  const source = await openModelFolder(folder, home, events, findPeers);
  const files = await readTokenizerFiles(folder, source.description.family);
  return { name: name ?? basename(folder), source, files, created: Math.floor(statSync(folder).mtimeMs / 1000) };
}

async function openGroupModel({ redis, group, home, findPeers }: NodeModelRequest): Promise<NodeModel> {
  const model = (await readNodes(redis)).find((node) => node.group === group)?.model;
  const card = model === undefined ? null : await readModelCard(redis, model);
  if (model === undefined || card === null) {
    const message = `No node of group ${group} serves a model yet. Start the first one with --model FOLDER.`;
    throw new DomainError('unavailable', message, { param: 'model' });
  }
  const source = await openPeerModel(home, findPeers);
  return { name: model, source, files: card.tokenizer, created: card.created };
}
