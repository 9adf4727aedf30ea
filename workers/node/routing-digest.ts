// 32 bits that tell whether two nodes routed a layer alike: FNV-1a over experts and the bits of their weights. Pure.

/** experts, weights: [rows, topK], flat, of the same length. */
export function routingDigest(experts: Int32Array, weights: Float32Array): number {
  const bits = new Int32Array(weights.buffer, weights.byteOffset, weights.length);
  let digest = 0x811c9dc5;
  for (let slot = 0; slot < experts.length; slot += 1) {
    digest = Math.imul(digest ^ (experts[slot] ?? 0), 0x01000193);
    digest = Math.imul(digest ^ (bits[slot] ?? 0), 0x01000193);
  }
  return digest >>> 0;
}
