// A pack folder -> mapped files and tables of sections for the native session. In: what is wanted of it. Out: an OpenedPacks, or
// DomainError `bad_pack`. Needs no checkpoint: the shared pack and the table of slabs carry the model's config.json.
import { readdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { MappedFile } from '../../native/mapped-file.ts';
import { countExperts, nameExpert, placeOfExpert } from '../../native/model-description.ts';
import type { WeightSection } from '../../native/weight-sections.ts';
import type { StoredModel } from '../model/stored-model.ts';
import { checkPack, describePacked } from './check-pack.ts';
import { FolderUse } from './folder-use.ts';
import { SHARED_PACK_FILE } from './pack-folder.ts';
import { badPack, type PackId } from './pack-format.ts';
import { countBytes, type OnProgress } from './progress.ts';
import type { PackedModel } from './serve-packs.ts';
import {
  readSlabTable,
  SLAB_TABLE_FILE,
  type SlabTable,
  type SlotPlace,
  slotKey,
  slotsByKey,
  withoutLostSlabs,
} from './slab-table.ts';
import { slotLayout } from './slot-layout.ts';

/** How much is faulted in at once, in bytes: the event loop turns in between. */
const POPULATE_BYTES = 64 * 1024 * 1024;

export interface OpenedPacks {
  readonly folder: string;
  readonly description: StoredModel;
  /** null when only experts were asked for. */
  readonly shared: OpenedPack | null;
  /** By id. Several lie in one file. */
  readonly experts: ReadonlyMap<number, OpenedPack>;
  /** Unmaps the files once no session uses them. */
  close(): void;
}

/** What a session attaches: offsets are from the beginning of the file. */
export interface OpenedPack {
  readonly file: MappedFile;
  readonly sections: readonly WeightSection[];
}

/** The files of some opened packs, each once. */
export function filesOf({ shared, experts }: Pick<OpenedPacks, 'shared' | 'experts'>): readonly MappedFile[] {
  return [...new Set([...(shared === null ? [] : [shared]), ...experts.values()].map(({ file }) => file))];
}

/** Mapped files of a folder, each mapped once. */
export class FolderFiles {
  readonly #files = new Map<string, MappedFile>();

  /** Throws DomainError `bad_pack`. */
  map(path: string): MappedFile {
    const known = this.#files.get(path);
    if (known !== undefined) return known;
    try {
      const file = MappedFile.open(path);
      this.#files.set(path, file);
      return file;
    } catch (cause) {
      throw badPack(path, 'cannot be mapped into memory', cause);
    }
  }

  /** Unmaps all but these. */
  keep(used: ReadonlySet<MappedFile>): void {
    for (const [path, file] of this.#files) {
      if (used.has(file)) continue;
      this.#files.delete(path);
      file.close();
    }
  }
}

/** Opens parts of a folder, at least one, and faults their pages in. Throws DomainError `bad_pack`. */
export async function openPacks(
  folder: string,
  packs: readonly PackId[],
  onProgress: OnProgress,
): Promise<OpenedPacks> {
  const files = new FolderFiles();
  const use = FolderUse.register(folder);
  const close = (): void => {
    files.keep(new Set());
    use?.release();
  };
  try {
    return { ...(await openParts(folder, packs, files, onProgress)), close };
  } catch (thrown) {
    close();
    throw thrown;
  }
}

/** As openPacks, for a caller that has registered its use of the folder and keeps the files. */
export async function openParts(
  folder: string,
  packs: readonly PackId[],
  files: FolderFiles,
  onProgress: OnProgress,
): Promise<Omit<OpenedPacks, 'close'>> {
  const wantsShared = packs.includes('shared');
  const ids = packs.filter((id) => id !== 'shared');
  const table = ids.length === 0 && wantsShared ? null : await readSlabTable(folder);
  const pack = wantsShared ? await checkPack(join(folder, SHARED_PACK_FILE)) : null;
  if (pack !== null && table !== null && pack.header.sourceHash !== table.sourceHash) {
    throw badPack(join(folder, SLAB_TABLE_FILE), `was made from another checkpoint than ${pack.path}`);
  }
  const description = pack?.description ?? describeTable(folder, table);
  const sound = table === null ? null : await withoutLostSlabs(folder, table);
  const places = placesOf(folder, description, sound, ids);
  const shared =
    pack === null ? null : { file: files.map(pack.path), sections: fromFile(pack.sections, pack.dataStart) };
  const experts = new Map(
    [...places].map(([id, { slab, slot }]) => {
      const { sections } = slotLayout(description, id);
      const file = files.map(join(folder, slab.file));
      return [id, { file, sections: fromFile(sections, slot * slab.slotBytes) }];
    }),
  );
  await populate(shared?.file ?? null, places, (slab) => files.map(join(folder, slab)), onProgress);
  return { folder, description, shared, experts };
}

/** What the packs of a folder are of, by whichever there are. Throws DomainError `bad_pack`. */
export async function describePackFolder(
  folder: string,
): Promise<{ readonly description: StoredModel; readonly packed: PackedModel }> {
  const table = await readSlabTable(folder);
  const path = join(folder, table === null ? SHARED_PACK_FILE : SLAB_TABLE_FILE);
  const about = table ?? (await checkPack(path)).header;
  const { sourceHash: modelHash, activations, formats, config } = about;
  return { description: describePacked(about, path), packed: { modelHash, activations, formats, config } };
}

/** Whether a folder holds packs; not what they are of. Throws the system's error for one that cannot be read. */
export function isPackFolder(folder: string): boolean {
  const names = readdirSync(folder);
  return [SHARED_PACK_FILE, SLAB_TABLE_FILE].some((name) => names.includes(name));
}

/** Whether nothing of a model is missing in a folder, as far as tables and sizes tell. */
export async function holdsWholeModel(folder: string, model: StoredModel): Promise<boolean> {
  if (!(await readdir(folder)).includes(SHARED_PACK_FILE)) return false;
  const count = countExperts(model);
  const table = await readSlabTable(folder).catch(() => null);
  if (table === null) return count === 0;
  return slotsByKey(await withoutLostSlabs(folder, table)).size >= count;
}

function describeTable(folder: string, table: SlabTable | null): StoredModel {
  const path = join(folder, SLAB_TABLE_FILE);
  if (table === null) throw badPack(path, 'is missing or cannot be opened');
  return describePacked(table, path);
}

function placesOf(
  folder: string,
  model: StoredModel,
  table: SlabTable | null,
  ids: readonly number[],
): ReadonlyMap<number, SlotPlace> {
  const there = table === null ? new Map<string, SlotPlace>() : slotsByKey(table);
  return new Map(
    ids.map((id) => {
      const { layer, expert } = placeOfExpert(model, id);
      const place = there.get(slotKey(layer, expert));
      if (place === undefined)
        throw badPack(join(folder, SLAB_TABLE_FILE), `names no whole slot with ${nameExpert(model, id)}`);
      return [id, place];
    }),
  );
}

function fromFile(sections: readonly WeightSection[], start: number): readonly WeightSection[] {
  return sections.map(({ role, layer, expert, format, outputs, inputs, offset }) => ({
    ...{ role, layer, expert, format, outputs, inputs },
    offset: start + offset,
  }));
}

interface Range {
  readonly file: MappedFile;
  readonly what: string;
  readonly offset: number;
  readonly bytes: number;
}

/** So that the first request does not pay for the page faults. */
async function populate(
  shared: MappedFile | null,
  places: ReadonlyMap<number, SlotPlace>,
  fileOf: (slab: string) => MappedFile,
  onProgress: OnProgress,
): Promise<void> {
  const slots = [...places.values()].map(
    ({ slab, slot }): Range => ({
      ...{ file: fileOf(slab.file), what: slab.file },
      ...{ offset: slot * slab.slotBytes, bytes: slab.slotBytes },
    }),
  );
  const ranges =
    shared === null ? slots : [{ file: shared, what: SHARED_PACK_FILE, offset: 0, bytes: shared.size }, ...slots];
  const advance = countBytes(
    ranges.reduce((sum, { bytes }) => sum + bytes, 0),
    onProgress,
  );
  let sinceTurn = 0;
  for (const { file, what, offset, bytes } of ranges) {
    for (let done = 0; done < bytes; done += POPULATE_BYTES) {
      const piece = Math.min(POPULATE_BYTES, bytes - done);
      file.populate(offset + done, piece);
      advance(`Loading ${what}`, piece);
      sinceTurn += piece;
      if (sinceTurn < POPULATE_BYTES) continue;
      sinceTurn = 0;
      await nextTurn();
    }
  }
}
