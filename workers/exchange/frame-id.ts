// Ids of entries on the exchange: `<epoch<<32|step>-<(layer+1)<<16|attempt<<12|piece>`. They ascend as the work does, so
// Redis refuses what was written before, and a reader can wait for what comes after a certain point. Pure.

export const MAX_PIECES = 4096;
export const MAX_ATTEMPTS = 16;

/** First half of all ids of a step; also what stands before them: `<prefix>-0`. */
export function stepPrefix(epoch: number, step: number): string {
  return ((BigInt(epoch) << 32n) | BigInt(step)).toString();
}

/** Second half; layers count from 1, so that `-0` comes before the first frame. */
export function frameSequence(layer: number, attempt: number, piece: number): number {
  return (layer + 1) * 0x1_0000 + attempt * MAX_PIECES + piece;
}
