// From a folder on disk to a session ready to step. In: a checkpoint or pack folder, and what this process holds of it.
// Out: opened packs, built first when the checkpoint is there and they are not. Everything that computes starts here.
import type { MappedFile } from '../../native/mapped-file.ts';
import { countExperts } from '../../native/model-description.ts';
import { ModelSession, type SessionOptions } from '../../native/model-session.ts';
import type { WeightSection } from '../../native/weight-sections.ts';
import { type BuildEvents, buildPacks } from '../pack/build-packs.ts';
import { describePackFolder, type OpenedPack, type OpenedPacks, openPacks } from '../pack/open-packs.ts';
import type { PackId } from '../pack/pack-format.ts';
import { describeCheckpoint } from './describe-checkpoint.ts';
import { holdsPacks } from './find-packs.ts';
import type { StoredModel } from './stored-model.ts';

export interface LoadRequest {
  /** A checkpoint (config.json and safetensors) or a folder of packs. */
  readonly folder: string;
  /** Packs of checkpoints are kept below `<home>/packs`. */
  readonly home: string;
  /** What this process holds; 'all' is the whole model. */
  readonly packs: readonly PackId[] | 'all';
  readonly events: BuildEvents;
  /** Sees the model before its packs are built or read, and throws to refuse it. */
  readonly check?: (model: StoredModel) => void;
}

/** The description of a model, from the headers of its files. Throws DomainError as loadModel does. */
export async function describeModel(folder: string): Promise<StoredModel> {
  if (holdsPacks(folder)) return (await describePackFolder(folder)).description;
  return (await describeCheckpoint(folder)).description;
}

/**
 * Opens a model's packs with their pages resident. Throws DomainError: `bad_config`, `bad_checkpoint` or `bad_pack`
 * naming what is wrong with the files, `unavailable` when there is no room to build packs.
 */
export async function loadModel(request: LoadRequest): Promise<OpenedPacks> {
  const { folder, home, events } = request;
  if (holdsPacks(folder)) {
    const { description } = await describePackFolder(folder);
    request.check?.(description);
    return openPacks(folder, wantedPacks(request, description), events.onProgress);
  }
  const checkpoint = await describeCheckpoint(folder);
  request.check?.(checkpoint.description);
  const packs = wantedPacks(request, checkpoint.description);
  const built = await buildPacks({ checkpoint, home, packs, eviction: null, events });
  return openPacks(built, packs, events.onProgress);
}

function wantedPacks(request: LoadRequest, model: StoredModel): readonly PackId[] {
  return request.packs === 'all' ? ['shared', ...Array(countExperts(model)).keys()] : request.packs;
}

/** A session with every opened pack attached. Throws NativeError naming the option or file at fault. */
export async function createModelSession(
  packs: Pick<OpenedPacks, 'description' | 'shared' | 'experts'>,
  options: SessionOptions,
): Promise<ModelSession> {
  const session = ModelSession.create(packs.description, options);
  try {
    attachPacks(session, packs);
    return session;
  } catch (thrown) {
    await session.close();
    throw thrown;
  }
}

/** Attaches opened packs, each file with one call. Throws NativeError naming the file at fault. */
export function attachPacks(session: ModelSession, { shared, experts }: Pick<OpenedPacks, 'shared' | 'experts'>): void {
  if (shared !== null) session.attach(shared.file, shared.sections);
  for (const [file, sections] of byFile(experts.values())) session.attach(file, sections);
}

function byFile(packs: Iterable<OpenedPack>): ReadonlyMap<MappedFile, readonly WeightSection[]> {
  const files = new Map<MappedFile, WeightSection[]>();
  for (const { file, sections } of packs) {
    const own = files.get(file);
    if (own === undefined) files.set(file, [...sections]);
    else own.push(...sections);
  }
  return files;
}
