// Packs -> mapped files and tables of sections for the native session. In: a pack folder and the packs wanted. Out: an
// OpenedPacks, or DomainError `bad_pack`. Needs no checkpoint: each pack carries the model's config.json.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { MappedFile } from '../../native/mapped-file.ts';
import type { WeightSection } from '../../native/weight-sections.ts';
import type { StoredModel } from '../model/stored-model.ts';
import { type CheckedPack, checkPack } from './check-pack.ts';
import { packFileName, packOfFileName } from './pack-folder.ts';
import { badPack, type PackId } from './pack-format.ts';
import { countBytes, type OnProgress } from './progress.ts';

/** How much is faulted in at once, in bytes: the event loop turns in between. */
const POPULATE_BYTES = 64 * 1024 * 1024;

export interface OpenedPacks {
  readonly folder: string;
  readonly description: StoredModel;
  /** null when only experts were asked for. */
  readonly shared: OpenedPack | null;
  readonly experts: ReadonlyMap<number, OpenedPack>;
  /** Unmaps the files once no session uses them. */
  close(): void;
}

/** What a session attaches: offsets are from the beginning of the file. */
export interface OpenedPack {
  readonly file: MappedFile;
  readonly sections: readonly WeightSection[];
}

interface MappedPack extends CheckedPack {
  readonly file: MappedFile;
}

/** Opens `packs` of `folder`, at least one, and faults their pages in. Throws DomainError `bad_pack`. */
export async function openPacks(
  folder: string,
  packs: readonly PackId[],
  onProgress: OnProgress,
): Promise<OpenedPacks> {
  const checked = await Promise.all(packs.map((pack) => checkPack(join(folder, packFileName(pack)), pack)));
  const [first, ...others] = checked;
  if (first === undefined) throw new TypeError('openPacks needs at least one pack');
  for (const other of others) refuseOtherModel(first, other);
  const mapped = mapAll(checked);
  try {
    await populate(mapped, onProgress);
  } catch (thrown) {
    closeAll(mapped);
    throw thrown;
  }
  return collect(folder, first.description, mapped);
}

/** The packs present in `folder`, 'shared' first, then experts ascending. */
export async function listPacks(folder: string): Promise<PackId[]> {
  const packs = (await readdir(folder)).map(packOfFileName).filter((pack) => pack !== undefined);
  const rank = (pack: PackId): number => (pack === 'shared' ? -1 : pack);
  return packs.sort((a, b) => rank(a) - rank(b));
}

function refuseOtherModel(first: CheckedPack, other: CheckedPack): void {
  if (first.header.sourceHash !== other.header.sourceHash) {
    throw badPack(other.path, `was made from another checkpoint than ${first.path}`);
  }
}

function mapAll(packs: readonly CheckedPack[]): MappedPack[] {
  const mapped: MappedPack[] = [];
  try {
    for (const pack of packs) mapped.push({ ...pack, file: MappedFile.open(pack.path) });
    return mapped;
  } catch (cause) {
    closeAll(mapped);
    throw badPack(packs[mapped.length]?.path ?? '', 'cannot be mapped into memory', cause);
  }
}

/** So that the first request does not pay for the page faults. */
async function populate(packs: readonly MappedPack[], onProgress: OnProgress): Promise<void> {
  const advance = countBytes(
    packs.reduce((sum, { file }) => sum + file.size, 0),
    onProgress,
  );
  for (const { file, header } of packs) {
    for (let offset = 0; offset < file.size; offset += POPULATE_BYTES) {
      const bytes = Math.min(POPULATE_BYTES, file.size - offset);
      file.populate(offset, bytes);
      advance(`Loading ${packFileName(header.pack)}`, bytes);
      await nextTurn();
    }
  }
}

function collect(folder: string, description: StoredModel, mapped: readonly MappedPack[]): OpenedPacks {
  const opened = new Map(mapped.map((pack) => [pack.header.pack, openedPack(pack)]));
  return {
    folder,
    description,
    shared: opened.get('shared') ?? null,
    experts: new Map([...opened].flatMap(([pack, one]) => (pack === 'shared' ? [] : [[pack, one] as const]))),
    close: () => closeAll(mapped),
  };
}

function openedPack({ file, sections, dataStart }: MappedPack): OpenedPack {
  return {
    file,
    sections: sections.map(({ role, layer, expert, format, outputs, inputs, offset }) => ({
      ...{ role, layer, expert, format, outputs, inputs },
      offset: dataStart + offset,
    })),
  };
}

function closeAll(packs: readonly MappedPack[]): void {
  for (const { file } of packs) file.close();
}
