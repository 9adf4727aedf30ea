// Which folder holds a model's packs. In: a checkpoint or pack folder. Out: a pack folder, or DomainError naming what was
// expected. Builds nothing.
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { locatePacks } from '../pack/build-packs.ts';
import { listPacks } from '../pack/open-packs.ts';
import type { PackId } from '../pack/pack-format.ts';
import type { OnProgress } from '../pack/progress.ts';
import { INDEX_FILE, SINGLE_FILE } from './checkpoint-index.ts';
import { describeCheckpoint } from './describe-checkpoint.ts';

/** The folder of the packs of a checkpoint, or `folder` itself. Throws DomainError when there are none. */
export async function findPacks(folder: string, home: string, onProgress: OnProgress): Promise<string> {
  if ((await packsIn(folder)).length > 0) return folder;
  const { folder: built } = await locatePacks(await describeCheckpoint(folder), home, onProgress);
  if ((await packsIn(built)).length > 0) return built;
  throw new DomainError(
    'bad_pack',
    `${folder} has no packs in ${home}. They are built when the model is first used: run \`conclave generate\` or \`conclave start\``,
    {
      param: folder,
    },
  );
}

/** The packs in `folder` when it is a pack folder: none for a checkpoint, whatever else lies there. */
export async function packsIn(folder: string): Promise<readonly PackId[]> {
  const isCheckpoint = [SINGLE_FILE, INDEX_FILE].some((name) => existsSync(join(folder, name)));
  const isFolder = statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true;
  return isFolder && !isCheckpoint ? listPacks(folder) : [];
}
