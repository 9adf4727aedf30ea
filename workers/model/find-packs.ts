// Which folder holds a model's packs. In: a checkpoint or pack folder. Out: a pack folder, or DomainError naming what was
// expected. Builds nothing.
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { locatePacks } from '../pack/build-packs.ts';
import { isPackFolder } from '../pack/open-packs.ts';
import type { OnProgress } from '../pack/progress.ts';
import { INDEX_FILE, SINGLE_FILE } from './checkpoint-index.ts';
import { describeCheckpoint } from './describe-checkpoint.ts';

/** The folder of the packs of a checkpoint, or `folder` itself. Throws DomainError when there are none. */
export async function findPacks(folder: string, home: string, onProgress: OnProgress): Promise<string> {
  if (holdsPacks(folder)) return folder;
  const { folder: built } = await locatePacks(await describeCheckpoint(folder), home, onProgress);
  if (holdsPacks(built)) return built;
  throw new DomainError(
    'bad_pack',
    `${folder} has no packs in ${home}. They are built when the model is first used: run \`conclave generate\` or \`conclave start\``,
    {
      param: folder,
    },
  );
}

/** Whether `folder` is a pack folder: no checkpoint is, whatever else lies there. */
export function holdsPacks(folder: string): boolean {
  const isCheckpoint = [SINGLE_FILE, INDEX_FILE].some((name) => existsSync(join(folder, name)));
  const isFolder = statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true;
  return isFolder && !isCheckpoint && isPackFolder(folder);
}
