// From a folder on disk to a session ready to step. In: a checkpoint or pack folder, and which packs this process holds.
// Out: opened packs, built first when the checkpoint is there and they are not. Everything that computes starts here.
import { join } from 'node:path';
import { expertShape } from '../../native/model-description.ts';
import { ModelSession, type SessionOptions } from '../../native/model-session.ts';
import { type BuildEvents, buildPacks } from '../pack/build-packs.ts';
import { checkPack } from '../pack/check-pack.ts';
import { type OpenedPacks, openPacks } from '../pack/open-packs.ts';
import { allPacks, packFileName } from '../pack/pack-folder.ts';
import type { PackId } from '../pack/pack-format.ts';
import { describeCheckpoint } from './describe-checkpoint.ts';
import { packsIn } from './find-packs.ts';
import type { StoredModel } from './stored-model.ts';

export interface LoadRequest {
  /** A checkpoint (config.json and safetensors) or a folder of packs. */
  readonly folder: string;
  /** Packs of checkpoints are kept below `<home>/packs`. */
  readonly home: string;
  /** What this process holds; 'all' is every pack of the model. */
  readonly packs: readonly PackId[] | 'all';
  readonly events: BuildEvents;
  /** Sees the model before its packs are built or read, and throws to refuse it. */
  readonly check?: (model: StoredModel) => void;
}

/** The description of a model, from the headers of its files. Throws DomainError as loadModel does. */
export async function describeModel(folder: string): Promise<StoredModel> {
  const [present] = await packsIn(folder);
  if (present === undefined) return (await describeCheckpoint(folder)).description;
  return (await checkPack(join(folder, packFileName(present)), present)).description;
}

/**
 * Opens a model's packs with their pages resident. Throws DomainError: `bad_config`, `bad_checkpoint` or `bad_pack`
 * naming what is wrong with the files, `unavailable` when there is no room to build packs.
 */
export async function loadModel(request: LoadRequest): Promise<OpenedPacks> {
  const { folder, home, events } = request;
  const [present] = await packsIn(folder);
  if (present !== undefined) {
    const { description } = await checkPack(join(folder, packFileName(present)), present);
    request.check?.(description);
    return openPacks(folder, wantedPacks(request, description), events.onProgress);
  }
  const checkpoint = await describeCheckpoint(folder);
  request.check?.(checkpoint.description);
  const packs = wantedPacks(request, checkpoint.description);
  return openPacks(await buildPacks({ checkpoint, home, packs, events }), packs, events.onProgress);
}

function wantedPacks(request: LoadRequest, model: StoredModel): readonly PackId[] {
  return request.packs === 'all' ? allPacks(expertShape(model).experts) : request.packs;
}

/** A session with every opened pack attached. Throws NativeError naming the option or file at fault. */
export async function createModelSession(packs: OpenedPacks, options: SessionOptions): Promise<ModelSession> {
  const session = ModelSession.create(packs.description, options);
  try {
    if (packs.shared !== null) session.attach(packs.shared.file, packs.shared.sections);
    for (const { file, sections } of packs.experts.values()) session.attach(file, sections);
    return session;
  } catch (thrown) {
    await session.close();
    throw thrown;
  }
}
