// How many rows of prompts go into a step beside running answers. Pure.
//
// Answers wait for the whole step. The target bounds their mean time per token: a step that takes longer is made up for by
// steps of answers alone, which the scheduler counts as time owed. One long step and several short ones compute a prompt
// faster than many middling ones when few rows already read most experts, as in a small batch of a mixture of experts.
import { type StepCost, stepMs } from './step-cost.ts';

export interface ChunkLimits {
  /** Mean time between an answer's tokens while prompts are taken in, over that of the same answers alone; above 1. */
  readonly interTokenTarget: number;
  /** The same for a single step; not below the target. */
  readonly longestPause: number;
}

/** A smaller chunk is as good when it computes prompts at this share of the best rate. */
const GOOD_ENOUGH = 0.9;
/** Sizes that are considered: each this much larger than the one before. */
const GROWTH = 1.2;

/** Rows of prompts to add to `answers` rows of running answers: at least one, at most `room`. */
export function sizeChunk(cost: StepCost, answers: number, room: number, limits: ChunkLimits): number {
  const { interTokenTarget, longestPause } = limits;
  const alone = stepMs(cost, answers);
  const slowdown = (rows: number): number => stepMs(cost, answers + rows) / alone;
  const most = largest(room, (rows) => slowdown(rows) <= longestPause);
  const smooth = largest(most, (rows) => slowdown(rows) <= interTokenTarget);
  const choices = sizesUpTo(most).map((rows) => ({ rows, rate: prefillRate(rows, slowdown(rows), interTokenTarget) }));
  const best = Math.max(...choices.map(({ rate }) => rate));
  const good = choices.find(({ rate }) => rate >= GOOD_ENOUGH * best)?.rows ?? most;
  return Math.max(smooth, good);
}

/** Rows of prompts in the time of a step of answers alone, with the steps that make up for a long one. */
function prefillRate(rows: number, slowdown: number, target: number): number {
  return rows / (slowdown <= target ? slowdown : ((slowdown - 1) * target) / (target - 1));
}

/** The largest number up to `most` that fits, if what is larger than one that does not fit does not fit either; or 1. */
function largest(most: number, fits: (rows: number) => boolean): number {
  let [low, high] = [1, most];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

function sizesUpTo(most: number): number[] {
  const sizes: number[] = [];
  for (let rows = 1; rows < most; rows = Math.ceil(rows * GROWTH)) sizes.push(rows);
  return [...sizes, most];
}
