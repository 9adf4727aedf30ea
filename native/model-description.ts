// What the engine needs to know of a model, free of any family's config names. A family's mapping
// (workers/model/<family>.ts) writes it; the native session and the planner read it. Adding a family means writing a new
// mapping and, at most, a new value in one of these unions with the op behind it.

/** Storage type of the weight matrices; fixes the dtype of activations (docs/design.md#numerics-v1). */
export type WeightDtype = 'f32' | 'f16' | 'bf16';

export const BYTES_PER_WEIGHT: Readonly<Record<WeightDtype, number>> = { f32: 4, f16: 2, bf16: 2 };

export interface NormDescription {
  readonly kind: 'layer_norm';
  readonly epsilon: number;
}

export interface AttentionDescription {
  readonly heads: number;
  /** Key/value heads; divides `heads` (grouped-query attention). */
  readonly kvHeads: number;
  readonly headDim: number;
  /** q, k and v are clamped to [-clipQkv, clipQkv] before the rotation; null leaves them. */
  readonly clipQkv: number | null;
  /** Rotary embedding over the whole head, halves paired (i, i + headDim / 2). */
  readonly ropeTheta: number;
}

export interface RouterDescription {
  readonly experts: number;
  readonly topK: number;
  /** `l1`: the chosen probabilities are divided by their sum; `none`: used as the softmax gives them. */
  readonly normalization: 'l1' | 'none';
}

export interface ExpertDescription {
  /** Inner width of an expert: w1, v1 are [ffn, dModel], w2 is [dModel, ffn]. */
  readonly ffn: number;
  /** y = w2 (silu(w1 x) * (v1 x)). */
  readonly activation: 'silu_gated';
}

/** A decoder of identical blocks: norm -> attention -> norm -> router and experts, residual around both. */
export interface ModelDescription {
  readonly family: string;
  readonly dtype: WeightDtype;
  readonly layers: number;
  readonly dModel: number;
  readonly vocab: number;
  /** Largest number of positions a sequence may have, in tokens. */
  readonly maxContext: number;
  readonly norm: NormDescription;
  readonly attention: AttentionDescription;
  readonly router: RouterDescription;
  readonly expert: ExpertDescription;
}
