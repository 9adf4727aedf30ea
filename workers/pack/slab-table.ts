// What lies in the slabs of a pack folder: `slabs.json`, the one place that says so. A slab is a file of slots of one size, each with
// room for one expert of one layer; the table names the expert of every slot that is whole. It is replaced by rename, after the
// slots it names are on disk, so a slot that is half written is not in it (docs/decisions/0151).
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { StoredModel } from '../model/stored-model.ts';
import { badPack, formatSchema, PACK_LAYOUT_VERSION, PACK_VERSION } from './pack-format.ts';
import { writeAt, writeFileAtomically } from './write-file-atomically.ts';

export const SLAB_TABLE_FILE = 'slabs.json';

const whole = z.int().nonnegative();

const slabSchema = z.strictObject({
  file: z.string().regex(/^layer-\d{3,}-\d+\.slab$/),
  /** Counted among all layers. */
  layer: whole,
  slotBytes: whole.min(1),
  /** Expert of each slot; null for one that is empty. */
  experts: z.array(whole.nullable()),
  /** SHA-256 of the bytes of each slot that its expert takes; '' for one that is empty. */
  sha256: z.array(z.string().regex(/^(?:[0-9a-f]{64})?$/)),
});

const tableSchema = z.strictObject({
  version: z.literal(PACK_VERSION),
  layoutVersion: z.literal(PACK_LAYOUT_VERSION),
  sourceHash: z.string(),
  activations: z.enum(['f32', 'bf16']),
  formats: z.record(z.string(), formatSchema),
  /** The model's config.json, so that a node can use the slabs without the checkpoint. */
  config: z.string(),
  slabs: z.array(slabSchema),
});

export type Slab = Readonly<z.infer<typeof slabSchema>>;
export type SlabTable = Readonly<z.infer<typeof tableSchema>>;

/** A table without slabs. */
export function emptyTable(model: StoredModel, sourceHash: string, config: string): SlabTable {
  const { activations, formats } = model;
  const versions = { version: PACK_VERSION, layoutVersion: PACK_LAYOUT_VERSION } as const;
  return { ...versions, sourceHash, activations, formats: { ...formats }, config, slabs: [] };
}

/** The table of a folder; null without one. Throws DomainError `bad_pack` for one that is damaged or of another version. */
export async function readSlabTable(folder: string): Promise<SlabTable | null> {
  const path = join(folder, SLAB_TABLE_FILE);
  const text = await readFile(path, 'utf8').catch(() => null);
  if (text === null) return null;
  try {
    return tableSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw badPack(path, 'is damaged or of another version', cause);
  }
}

/** Replaces the table. What it names must be on disk. */
export async function writeSlabTable(folder: string, table: SlabTable): Promise<void> {
  const text = Buffer.from(JSON.stringify(table));
  await writeFileAtomically(join(folder, SLAB_TABLE_FILE), (file) => writeAt(file, text, 0));
}

/** The table without slabs whose files are missing or have another size. */
export async function withoutLostSlabs(folder: string, table: SlabTable): Promise<SlabTable> {
  const there = await Promise.all(table.slabs.map((slab) => isThere(folder, slab)));
  return { ...table, slabs: table.slabs.filter((_, at) => there[at]) };
}

async function isThere(folder: string, slab: Slab): Promise<boolean> {
  return stat(join(folder, slab.file)).then(
    ({ size }) => size === slabBytes(slab),
    () => false,
  );
}

export function slabBytes({ slotBytes, experts }: Pick<Slab, 'slotBytes' | 'experts'>): number {
  return slotBytes * experts.length;
}

/** Where an expert of a layer lies. */
export interface SlotPlace {
  readonly slab: Slab;
  readonly slot: number;
}

/** A key for maps: layer among all, and expert. */
export function slotKey(layer: number, expert: number): string {
  return `${layer}/${expert}`;
}

/** Every whole slot, by slotKey. */
export function slotsByKey({ slabs }: Pick<SlabTable, 'slabs'>): ReadonlyMap<string, SlotPlace> {
  return new Map(
    slabs.flatMap((slab) =>
      slab.experts.flatMap((expert, slot): [string, SlotPlace][] =>
        expert === null ? [] : [[slotKey(slab.layer, expert), { slab, slot }]],
      ),
    ),
  );
}
