// Buffers that sampling overwrites on every call, so that a token costs no allocation of the vocabulary's size.

/** One per worker; all arrays are `[vocab]`. */
export interface SamplerScratch {
  /** Logits after penalties and bias. */
  readonly logits: Float32Array;
  /** Ids of the tokens that may be drawn; how many are valid is returned by who fills it. */
  readonly ids: Uint32Array;
  /** By id: probability relative to the most likely token. Valid for the ids above. */
  readonly weights: Float64Array;
}

/** Allocates the buffers for a vocabulary of `vocab` tokens. */
export function createSamplerScratch(vocab: number): SamplerScratch {
  return { logits: new Float32Array(vocab), ids: new Uint32Array(vocab), weights: new Float64Array(vocab) };
}
