// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011). The same key and counter give the same bits on every machine, in any order: nothing is carried from one number
// to the next, so a worker that takes over needs no generator state.

const ROUNDS = 10;
const MULTIPLIERS = [0xd2511f53, 0xcd9e8d57] as const;
/** The golden ratio and sqrt(3) - 1 as binary fractions: what is added to the key each round. */
const KEY_STEPS = [0x9e3779b9, 0xbb67ae85] as const;

/** Four 32-bit words. */
export type Words4 = readonly [number, number, number, number];

/** The Philox4x32-10 bijection: 128 random bits for a counter under a 64-bit key. All words are unsigned 32-bit integers. */
export function philox4x32(counter: Words4, key: readonly [number, number]): Words4 {
  let [a, b, c, d] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < ROUNDS; round += 1) {
    const high0 = multiplyHigh(MULTIPLIERS[0], a);
    const high1 = multiplyHigh(MULTIPLIERS[1], c);
    const low0 = Math.imul(MULTIPLIERS[0], a);
    const low1 = Math.imul(MULTIPLIERS[1], c);
    [a, b, c, d] = [(high1 ^ b ^ k0) >>> 0, low1 >>> 0, (high0 ^ d ^ k1) >>> 0, low0 >>> 0];
    k0 = (k0 + KEY_STEPS[0]) >>> 0;
    k1 = (k1 + KEY_STEPS[1]) >>> 0;
  }
  return [a, b, c, d];
}

/** Upper 32 bits of the 64-bit product of two unsigned 32-bit integers, in pieces that a double holds exactly. */
function multiplyHigh(x: number, y: number): number {
  const low = x * (y & 0xffff);
  const high = x * (y >>> 16);
  return Math.floor((high + Math.floor(low / 0x10000)) / 0x10000);
}
