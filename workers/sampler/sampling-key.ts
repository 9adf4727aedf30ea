// Names one random number of a request. In: seed, choice, position, purpose. Out: a uniform number that depends on nothing
// else, so any worker that continues the request draws what the first would have drawn.
import { philox4x32 } from './philox.ts';

/** What a random number is for; numbers of different purposes at one position are independent. */
export const PURPOSE = { token: 0 } as const;

export type Purpose = (typeof PURPOSE)[keyof typeof PURPOSE];

export interface SamplingKey {
  /** SamplingParams.seed. */
  readonly seed: number | string;
  readonly choice: number;
  /** Index of the token among the generated ones of its choice. */
  readonly position: number;
  readonly purpose: Purpose;
}

/** A number in [0, 1), uniform over the multiples of 2^-53. */
export function uniform(key: SamplingKey): number {
  const [high, low] = philox4x32([key.position, key.choice, key.purpose, 0], seedWords(key.seed));
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
}

/** The lower and the upper 32 bits of a seed. */
function seedWords(seed: number | string): readonly [number, number] {
  if (typeof seed === 'number') return [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
  const bits = BigInt(seed);
  return [Number(BigInt.asUintN(32, bits)), Number(BigInt.asUintN(32, bits >> 32n))];
}
