// Fills slots of a folder's slabs. In: the experts wanted, and where their bytes come from. Out: a table that names them all. The order
// of writes makes it safe to die at any point: a table without the slots that are overwritten, their bytes, then the table with
// them. The caller holds the folder's lock.
import { type FileHandle, open, readdir, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { placeOfExpert } from '../../native/model-description.ts';
import type { StoredModel } from '../model/stored-model.ts';
import type { FolderUse } from './folder-use.ts';
import { badPack } from './pack-format.ts';
import { planSlots, type SlotPlan, type SlotToFill, type WantedExpert } from './plan-slots.ts';
import { countBytes, type OnProgress } from './progress.ts';
import { refuseFullDisk } from './refuse-full-disk.ts';
import {
  emptyTable,
  readSlabTable,
  type Slab,
  type SlabTable,
  slabBytes,
  slotKey,
  slotsByKey,
  withoutLostSlabs,
  writeSlabTable,
} from './slab-table.ts';
import { slotBytesOf, slotLayout } from './slot-layout.ts';

export interface SlotSource {
  /** For people. */
  readonly verb: 'Building' | 'Fetching';
  /** Writes an expert at `position` of a file; -> SHA-256 of what the expert takes of its slot. Throws DomainError. */
  write(id: number, file: FileHandle, position: number, onBytes: (bytes: number) => void): Promise<string>;
}

/** Whose slots may be overwritten. */
export interface Eviction {
  readonly use: FolderUse;
  /** Ids that are in use or wanted. */
  readonly keep: ReadonlySet<number>;
}

export interface FillRequest {
  readonly folder: string;
  readonly model: StoredModel;
  readonly sourceHash: string;
  /** Text of config.json. */
  readonly config: string;
  readonly ids: readonly number[];
  readonly source: SlotSource;
  /** Null: nothing is overwritten. */
  readonly eviction: Eviction | null;
  readonly onProgress: OnProgress;
}

/** The table is written after this many bytes, which bounds what an interruption costs. */
const COMMIT_BYTES = 256 * 1024 * 1024;

/** Throws DomainError: `unavailable` when the disk is too small, what the source throws, `bad_pack` when a file cannot be written. */
export async function fillSlots(request: FillRequest): Promise<void> {
  const { folder, model, ids } = request;
  const table = await usableTable(request);
  const there = slotsByKey(table);
  const wanted = ids
    .map((id): WantedExpert => ({ id, ...placeOfExpert(model, id) }))
    .filter(({ layer, expert }) => !there.has(slotKey(layer, expert)));
  if (wanted.length === 0) return;
  await removeStraySlabs(folder, table);
  const plan = await makeRoom(request, table, wanted);
  const slabs = new Map(plan.slabs.map((slab) => [slab.file, slab]));
  const bytes = sum(plan.fill.map(({ id }) => slotLayout(model, id).dataBytes));
  const advance = countBytes(bytes, request.onProgress);
  let current = { ...table, slabs: plan.slabs.filter(({ file }) => !plan.created.has(file)) };
  for (const [file, slots] of bySlab(plan.fill)) {
    const slab = slabs.get(file);
    if (slab === undefined) throw new TypeError('a plan has the slabs that it fills');
    current = await fillSlab(request, current, slab, slots, advance);
  }
}

/** Whether the folder has all of these, in slabs that are sound as far as sizes tell. */
export async function holdsSlots(
  folder: string,
  model: StoredModel,
  sourceHash: string,
  ids: readonly number[],
): Promise<boolean> {
  if (ids.length === 0) return true;
  const table = await readSlabTable(folder).catch(() => null);
  if (table === null || table.sourceHash !== sourceHash) return false;
  const there = slotsByKey(await withoutLostSlabs(folder, table));
  return ids.map((id) => placeOfExpert(model, id)).every(({ layer, expert }) => there.has(slotKey(layer, expert)));
}

/** What is left of the table; a damaged one or one of other weights is as none. */
async function usableTable({ folder, model, sourceHash, config }: FillRequest): Promise<SlabTable> {
  const table = await readSlabTable(folder).catch(() => null);
  if (table === null || table.sourceHash !== sourceHash) return emptyTable(model, sourceHash, config);
  return withoutLostSlabs(folder, table);
}

/** Those of a fill that was interrupted, or of a lost table. */
async function removeStraySlabs(folder: string, { slabs }: SlabTable): Promise<void> {
  const known = new Set(slabs.map(({ file }) => file));
  const stray = (await readdir(folder)).filter((name) => name.endsWith('.slab') && !known.has(name));
  await Promise.all(stray.map((name) => rm(join(folder, name), { force: true })));
}

// A process that begins to use the folder registers before it reads the table, and this one looks for others after it has written
// the table without the slots: one of the two notices.
async function makeRoom(request: FillRequest, table: SlabTable, wanted: readonly WantedExpert[]): Promise<SlotPlan> {
  const { folder, eviction } = request;
  const kept = planFor(request, table, wanted, false);
  const plan = eviction?.use.isAlone() === true ? planFor(request, table, wanted, true) : kept;
  await refuseSmallDisk(folder, plan);
  if (!plan.evicts) return plan;
  await writeSlabTable(folder, { ...table, slabs: plan.slabs.filter(({ file }) => !plan.created.has(file)) });
  if (eviction?.use.isAlone() === true) return plan;
  await writeSlabTable(folder, table);
  await refuseSmallDisk(folder, kept);
  return kept;
}

function planFor(
  { model, eviction }: FillRequest,
  table: SlabTable,
  wanted: readonly WantedExpert[],
  evict: boolean,
): SlotPlan {
  const bytes = new Map(
    [...new Set(wanted.map(({ layer }) => layer))].map((layer) => [layer, slotBytesOf(model, layer)]),
  );
  const keep = new Set(
    [...(eviction?.keep ?? [])]
      .map((id) => placeOfExpert(model, id))
      .map(({ layer, expert }) => slotKey(layer, expert)),
  );
  const mayEvict = (layer: number, expert: number): boolean => evict && !keep.has(slotKey(layer, expert));
  return planSlots(table.slabs, wanted, (layer) => bytes.get(layer) ?? 0, mayEvict);
}

async function refuseSmallDisk(folder: string, { slabs, created }: SlotPlan): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const needed = sum(slabs.filter(({ file }) => created.has(file)).map(slabBytes));
  refuseFullDisk(folder, bavail * bsize, needed, 'building the packs');
}

function bySlab(fill: readonly SlotToFill[]): ReadonlyMap<string, readonly SlotToFill[]> {
  const slabs = new Map<string, SlotToFill[]>();
  for (const one of fill) slabs.set(one.file, [...(slabs.get(one.file) ?? []), one]);
  return slabs;
}

/** Writes slots and names them in the table, piece by piece; -> the table. */
async function fillSlab(
  request: FillRequest,
  table: SlabTable,
  slab: Slab,
  slots: readonly SlotToFill[],
  advance: (what: string, bytes: number) => void,
): Promise<SlabTable> {
  const path = join(request.folder, slab.file);
  const what = `${request.source.verb} ${slab.file}`;
  let current: SlabTable = { ...table, slabs: [...table.slabs.filter(({ file }) => file !== slab.file), slab] };
  try {
    const file = await openSlab(path, slab);
    try {
      for (const batch of batchesOf(slots, slab.slotBytes)) {
        const written = new Map<SlotToFill, string>();
        for (const one of batch) {
          const position = one.slot * slab.slotBytes;
          written.set(one, await request.source.write(one.id, file, position, (bytes) => advance(what, bytes)));
        }
        await file.datasync();
        current = withFilled(current, written);
        await writeSlabTable(request.folder, current);
      }
    } finally {
      await file.close();
    }
    return current;
  } catch (thrown) {
    const why = await explain(thrown, request.folder, path, slab);
    // A new one that no table names yet.
    if (!(await readSlabTable(request.folder))?.slabs.some(({ file }) => file === slab.file))
      await rm(path, { force: true });
    throw why;
  }
}

async function openSlab(path: string, slab: Slab): Promise<FileHandle> {
  const file = await open(path, 'r+').catch(() => open(path, 'wx+'));
  await file.truncate(slabBytes(slab));
  return file;
}

function batchesOf(slots: readonly SlotToFill[], slotBytes: number): readonly (readonly SlotToFill[])[] {
  const size = Math.max(1, Math.floor(COMMIT_BYTES / slotBytes));
  return Array.from({ length: Math.ceil(slots.length / size) }, (_, at) => slots.slice(at * size, (at + 1) * size));
}

function withFilled(table: SlabTable, written: ReadonlyMap<SlotToFill, string>): SlabTable {
  const slabs = table.slabs.map((slab) => {
    const own = [...written].filter(([{ file }]) => file === slab.file);
    if (own.length === 0) return slab;
    const [experts, sha256] = [[...slab.experts], [...slab.sha256]];
    for (const [{ slot, expert }, digest] of own) {
      experts[slot] = expert;
      sha256[slot] = digest;
    }
    return { ...slab, experts, sha256 };
  });
  return { ...table, slabs };
}

/** A disk that filled up although there seemed to be room is said with numbers. */
async function explain(thrown: unknown, folder: string, path: string, slab: Slab): Promise<unknown> {
  if (thrown instanceof DomainError) return thrown;
  if (thrown instanceof Error && 'code' in thrown && (thrown.code === 'ENOSPC' || thrown.code === 'EDQUOT')) {
    const { bavail, bsize } = await statfs(folder);
    const message = `${path}: the disk filled up: the slab takes ${slabBytes(slab)} bytes, and ${bavail * bsize} are free`;
    return new DomainError('unavailable', message, { param: folder, cause: thrown });
  }
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  return badPack(path, `could not be written: ${reason}`, thrown);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
