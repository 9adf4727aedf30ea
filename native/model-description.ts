// A model's architecture, independent of any family's config names. Written by the family's mapping
// (workers/model/<family>.ts), read by the native session and the planner. A new family needs a new mapping and, at most, a
// new value in one of these unions with its implementation.

/** Storage type of the weight matrices; determines the dtype of activations (docs/design.md#numerics-v1). */
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
  /** q, k and v are clamped to [-clipQkv, clipQkv] before the rotation; null disables clamping. */
  readonly clipQkv: number | null;
  /** Base of the rotary embedding over the whole head, which pairs elements (i, i + headDim / 2). */
  readonly ropeTheta: number;
}

export interface RouterDescription {
  readonly experts: number;
  readonly topK: number;
  /** `l1`: the selected probabilities are divided by their sum; `none`: the softmax output is used unchanged. */
  readonly normalization: 'l1' | 'none';
}

export interface ExpertDescription {
  /** Inner width of an expert: w1, v1 are [ffn, dModel], w2 is [dModel, ffn]. */
  readonly ffn: number;
  /** y = w2 (silu(w1 x) * (v1 x)). */
  readonly activation: 'silu_gated';
}

/** A decoder of identical layers: norm, attention, norm, router and experts, with residual connections around both halves. */
export interface ModelDescription {
  readonly family: string;
  readonly dtype: WeightDtype;
  readonly layers: number;
  readonly dModel: number;
  readonly vocab: number;
  /** Maximum length of a sequence, in tokens. */
  readonly maxContext: number;
  readonly norm: NormDescription;
  readonly attention: AttentionDescription;
  readonly router: RouterDescription;
  readonly expert: ExpertDescription;
}
