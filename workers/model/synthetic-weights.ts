// Random weights, fast and the same for the same seed. In: a seed, a tensor's name and its distribution. Out: its values
// in storage type, piece by piece. A 16-bit random number picks one of 65,536 normal values already in the storage type,
// so there is no arithmetic per weight.
import { createHash } from 'node:crypto';
import type { PlainFormat } from '../../native/weight-format.ts';
import { narrowFloats, type WeightBits } from './narrow-floats.ts';

const TABLE_SIZE = 65_536;
const GOLDEN_RATIO = 0.618_033_988_749_895;

/** A normal distribution. */
export interface Distribution {
  readonly mean: number;
  readonly deviation: number;
}

/** Yields `count` random weights of `dtype` as little-endian bytes, `chunkWeights` (an even number) at a time. */
export function* syntheticWeights(
  seed: number,
  tensor: string,
  count: number,
  distribution: Distribution,
  dtype: PlainFormat,
  chunkWeights: number,
): Generator<Uint8Array> {
  const table = narrowFloats(normalTable(distribution), dtype);
  const state = seedState(seed, tensor);
  for (let done = 0; done < count; done += chunkWeights) {
    const length = Math.min(chunkWeights, count - done);
    const chunk = dtype === 'f32' ? new Uint32Array(length) : new Uint16Array(length);
    pickRandomly(table, state, chunk);
    yield new Uint8Array(chunk.buffer);
  }
}

/** Box and Muller's normal numbers of evenly spread points: the table's mean and deviation are right, its tails end at 4.8. */
function normalTable({ mean, deviation }: Distribution): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: TABLE_SIZE }, (_, index) => {
    const radius = Math.sqrt(-2 * Math.log((index + 0.5) / TABLE_SIZE));
    const angle = 2 * Math.PI * ((index * GOLDEN_RATIO) % 1);
    return mean + deviation * radius * Math.cos(angle);
  });
}

/** Four 32-bit words: where a tensor's stream of random numbers stands. */
function seedState(seed: number, tensor: string): Int32Array {
  const digest = createHash('sha256').update(`${seed}/${tensor}`).digest();
  return Int32Array.from({ length: 4 }, (_, index) => digest.readInt32LE(index * 4));
}

/** Doty-Humphrey's sfc32, whose every 32-bit output picks two entries of the table. */
function pickRandomly(table: WeightBits, state: Int32Array, out: WeightBits): void {
  let [a = 0, b = 0, c = 0, counter = 0] = state;
  for (let index = 0; index < out.length; index += 2) {
    const random = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + random) | 0;
    out[index] = table[random & 0xffff] ?? 0;
    out[index + 1] = table[random >>> 16] ?? 0;
  }
  state.set([a, b, c, counter]);
}
