// Which member of a group holds which expert of which layer. In: the room of each member in each layer, and what the routers
// chose so far. Out: the ids of each member. Pure and deterministic. Layers are placed one by one: their routers choose on their
// own, so a hot expert of one layer has replicas without its namesakes.
import { placeExperts, refuseTooFewSlots } from './place-experts.ts';

export interface LayersMember {
  /** Experts of each layer that its memory has room for: [layers]. */
  readonly slots: readonly number[];
  /** How fast it computes experts, relative to the others. */
  readonly speed: number;
  /** Ids that it holds already; they stay where possible. */
  readonly held?: readonly number[];
}

export interface LayersInput {
  /** Layers that have experts. */
  readonly layers: number;
  /** Of one layer. */
  readonly experts: number;
  readonly members: readonly LayersMember[];
  /** Rows that each expert was given, [layers, experts], flat; null: nothing known, all alike. */
  readonly counts: Float64Array | null;
}

/**
 * The ids of each member, ascending; see placeExperts for one layer.
 * @throws DomainError `bad_config` saying how many slots are missing.
 */
export function placeLayers({ layers, experts, members, counts }: LayersInput): readonly (readonly number[])[] {
  const totals = Array.from({ length: layers }, (_, layer) =>
    members.reduce((sum, { slots }) => sum + Math.min(experts, slots[layer] ?? 0), 0),
  );
  refuseTooFewSlots(experts, Math.min(experts, ...totals));
  const placed = members.map((): number[] => []);
  const held = members.map((member) => expertsByLayer(member.held ?? [], layers, experts));
  for (let layer = 0; layer < layers; layer += 1) {
    const first = layer * experts;
    const ofLayer = placeExperts({
      experts,
      members: members.map(({ slots, speed }, at) => ({
        slots: slots[layer] ?? 0,
        speed,
        held: held[at]?.[layer] ?? [],
      })),
      counts: counts?.subarray(first, first + experts) ?? null,
    });
    for (const [at, own] of ofLayer.entries()) placed[at]?.push(...own.map((expert) => first + expert));
  }
  return placed;
}

/** The ids of a placement that is the same in all layers. placement: the experts of each member. */
export function inEveryLayer(
  placement: readonly (readonly number[])[],
  layers: number,
  experts: number,
): readonly (readonly number[])[] {
  return placement.map((own) =>
    Array.from({ length: layers }, (_, layer) => own.map((expert) => layer * experts + expert)).flat(),
  );
}

/** The experts that ids stand for, layer by layer: [layers][...experts]. */
export function expertsByLayer(
  ids: readonly number[],
  layers: number,
  experts: number,
): readonly (readonly number[])[] {
  const held = Array.from({ length: layers }, (): number[] => []);
  for (const id of ids) held[Math.floor(id / experts)]?.push(id % experts);
  return held;
}
