// Ids of entries on the exchange: `<epoch<<32|step>-<(layer+1)<<16|attempt<<12|piece>`. They ascend as the work does, so
// Redis refuses what was written before, and a reader can wait for what comes after a certain point. Pure.

/** First half of all ids of a step; also what stands before them: `<prefix>-0`. */
export function stepPrefix(epoch: number, step: number): string {
  return ((BigInt(epoch) << 32n) | BigInt(step)).toString();
}

/** Second half of what a member writes after the frames of all layers. */
export function afterLayers(layers: number): number {
  return (layers + 1) * 0x1_0000;
}
