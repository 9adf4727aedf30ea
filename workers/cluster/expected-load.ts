// How many experts the busiest member of a group computes in a layer, on average over routings: E[max] of the planner's
// formulas (docs/decisions/0080). In: a placement's assigner and routings, enumerated or drawn. Pure.
import type { Assigner } from '../node/assign-experts.ts';
import { philox4x32 } from '../sampler/philox.ts';

/** Routings of a layer each, all with the same number of rows. Draw d is of layer d % layers of those that have experts. */
export interface Routings {
  /** Selected experts: [draws, rows * topK]. */
  readonly experts: Int32Array;
  /** Rows * topK. */
  readonly slots: number;
  readonly layers: number;
}

/** Every choice of `topK` out of `experts` once: what one row selects when all are equally likely. */
export function everyRouting(experts: number, topK: number): Routings {
  const chosen = Array.from({ length: topK }, (_, rank) => rank);
  const all: number[] = [...chosen];
  for (let at = lastBelow(chosen, experts); at >= 0; at = lastBelow(chosen, experts)) {
    const next = (chosen[at] ?? 0) + 1;
    for (let rank = at; rank < topK; rank += 1) chosen[rank] = next + rank - at;
    all.push(...chosen);
  }
  return { experts: Int32Array.from(all), slots: topK, layers: 1 };
}

/** The last rank whose expert can still go up; -1 after the last choice. */
function lastBelow(chosen: readonly number[], experts: number): number {
  return chosen.findLastIndex((expert, rank) => expert < experts - chosen.length + rank);
}

export interface RoutingDraws {
  readonly experts: number;
  readonly topK: number;
  readonly rows: number;
  readonly draws: number;
  readonly seed: number;
  /** Rows that each expert was given, [layers, experts], flat; null: all equally likely. Draws go through the layers in turn. */
  readonly counts: Float64Array | null;
}

/** Draws routings: each row takes `topK` different experts, one after the other, with probability as their counts. */
export function drawRoutings({ experts, topK, rows, draws, seed, counts }: RoutingDraws): Routings {
  const slots = rows * topK;
  const drawn = new Int32Array(draws * slots);
  const layers = counts === null ? 1 : counts.length / experts;
  const weights = new Float64Array(experts);
  for (let at = 0; at < drawn.length; at += topK) {
    const layer = Math.floor(at / slots) % layers;
    // An expert that was never seen can still be chosen: counts are a sample too.
    for (let expert = 0; expert < experts; expert += 1) weights[expert] = (counts?.[layer * experts + expert] ?? 0) + 1;
    for (let rank = 0; rank < topK; rank += 1) {
      drawn[at + rank] = take(weights, uniform(seed, at + rank));
    }
  }
  return { experts: drawn, slots, layers };
}

/** A number in [0, 1) that depends on its arguments alone. */
function uniform(seed: number, index: number): number {
  return philox4x32([index, Math.floor(index / 2 ** 32), 0, 0], [seed, 0])[0] / 2 ** 32;
}

/** Picks an index with probability as its weight and takes it out. */
function take(weights: Float64Array, fraction: number): number {
  let left = fraction * weights.reduce((sum, weight) => sum + weight, 0);
  let taken = weights.findLastIndex((weight) => weight > 0);
  for (const [index, weight] of weights.entries()) {
    left -= weight;
    if (left >= 0 || weight === 0) continue;
    taken = index;
    break;
  }
  weights[taken] = 0;
  return taken;
}

/**
 * The mean over `routings` of the largest number of experts that a member computes, each divided by the member's speed
 * (default 1). An expert that several rows of a routing give to one member counts once: its weights are read once.
 */
export function expectedLargestLoad(
  assigner: Assigner,
  routings: Routings,
  members: number,
  speed?: readonly number[],
): number {
  const { experts, slots, layers } = routings;
  const nodes = new Int32Array(slots);
  const draws = experts.length / slots;
  let sum = 0;
  for (let draw = 0; draw < draws; draw += 1) {
    const routing = experts.subarray(draw * slots, (draw + 1) * slots);
    assigner.assign(draw % layers, routing, nodes);
    sum += Math.max(...distinctLoads(routing, nodes, members).map((load, member) => load / (speed?.[member] ?? 1)));
  }
  return sum / draws;
}

function distinctLoads(routing: Int32Array, nodes: Int32Array, members: number): number[] {
  const seen = new Set<number>();
  const loads = new Array<number>(members).fill(0);
  for (const [slot, expert] of routing.entries()) {
    const member = nodes[slot] ?? 0;
    const pair = expert * members + member;
    if (seen.has(pair)) continue;
    seen.add(pair);
    loads[member] = (loads[member] ?? 0) + 1;
  }
  return loads;
}
