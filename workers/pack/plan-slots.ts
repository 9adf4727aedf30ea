// Where experts go in the slabs of a folder. In: the slabs there are, the experts wanted, and which others may give way. Out: the slabs
// as they are to be, with the slots to fill emptied. Pure.
import type { Slab } from './slab-table.ts';

export interface WantedExpert {
  readonly id: number;
  /** Counted among all layers. */
  readonly layer: number;
  readonly expert: number;
}

export interface SlotToFill extends WantedExpert {
  readonly file: string;
  readonly slot: number;
}

export interface SlotPlan {
  /** Those that are new at the end. */
  readonly slabs: readonly Slab[];
  readonly fill: readonly SlotToFill[];
  /** Names of the slabs that are new. */
  readonly created: ReadonlySet<string>;
  /** Whether slots of other experts are to be overwritten. */
  readonly evicts: boolean;
}

/**
 * Every wanted expert, none of which has a slot, gets one: an empty one, else that of an expert that `mayEvict`, else one of a new slab of
 * its layer. slotBytes: of a layer.
 */
export function planSlots(
  slabs: readonly Slab[],
  wanted: readonly WantedExpert[],
  slotBytes: (layer: number) => number,
  mayEvict: (layer: number, expert: number) => boolean,
): SlotPlan {
  const planned = slabs.map((slab) => ({ ...slab, experts: [...slab.experts], sha256: [...slab.sha256] }));
  const fill: SlotToFill[] = [];
  const created = new Set<string>();
  let evicts = false;
  for (const [layer, own] of byLayer(wanted)) {
    const ofLayer = planned.filter((slab) => slab.layer === layer && slab.slotBytes === slotBytes(layer));
    const slots = ofLayer.flatMap((slab) => [...slab.experts.keys()].map((slot) => ({ slab, slot })));
    const expertIn = ({ slab, slot }: (typeof slots)[number]): number | null => slab.experts[slot] ?? null;
    const empty = slots.filter((one) => expertIn(one) === null);
    const giving = slots.filter((one) => isEvictable(expertIn(one), layer, mayEvict));
    const free = [...empty, ...giving].slice(0, own.length);
    evicts ||= free.length > empty.length;
    const left = own.length - free.length;
    if (left > 0) {
      const slab = newSlab(planned, layer, slotBytes(layer), left);
      planned.push(slab);
      created.add(slab.file);
      free.push(...[...slab.experts.keys()].map((slot) => ({ slab, slot })));
    }
    for (const [at, one] of own.entries()) {
      const place = free[at];
      if (place === undefined) throw new TypeError('every wanted expert has a slot');
      place.slab.experts[place.slot] = null;
      place.slab.sha256[place.slot] = '';
      fill.push({ ...one, file: place.slab.file, slot: place.slot });
    }
  }
  return { slabs: planned, fill, created, evicts };
}

function isEvictable(
  expert: number | null,
  layer: number,
  mayEvict: (layer: number, expert: number) => boolean,
): boolean {
  return expert !== null && mayEvict(layer, expert);
}

function byLayer(wanted: readonly WantedExpert[]): ReadonlyMap<number, readonly WantedExpert[]> {
  const layers = new Map<number, WantedExpert[]>();
  for (const one of wanted) {
    const own = layers.get(one.layer);
    if (own === undefined) layers.set(one.layer, [one]);
    else own.push(one);
  }
  return layers;
}

function newSlab(slabs: readonly Slab[], layer: number, slotBytes: number, slots: number) {
  const taken = slabs.filter((slab) => slab.layer === layer).map(({ file }) => Number(/-(\d+)\.slab$/.exec(file)?.[1]));
  const file = `layer-${String(layer).padStart(3, '0')}-${Math.max(-1, ...taken) + 1}.slab`;
  return {
    ...{ file, layer, slotBytes },
    experts: new Array<number | null>(slots).fill(null),
    sha256: new Array<string>(slots).fill(''),
  };
}
