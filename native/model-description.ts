// What the engine needs to compute a model, free of any family's config names: kinds of blocks, and which kind each layer is.
// A family's mapping (workers/model/families/) writes it; the native session and the planner read it. Every union is closed:
// what a mapping cannot express here is refused by name.

/** Type of the rows that matrices multiply and that nodes exchange; sums and the residual stream are f32 in both. */
export type ActivationType = 'f32' | 'bf16';

export const BYTES_PER_ACTIVATION: Readonly<Record<ActivationType, number>> = { f32: 4, bf16: 2 };

export interface Norm {
  /** `rms`: x / rms(x) * weight; `layer`: (x - mean) / deviation * weight. */
  readonly kind: 'rms' | 'layer';
  readonly epsilon: number;
  readonly bias: boolean;
  /** Whether bf16 models round the normalized row to bf16 before the multiplication by the weight as well as after it. */
  readonly roundsBeforeWeight: boolean;
}

/** Where the rotary frequencies come from; `originalContext` is in positions. Names as in transformers' rope utilities. */
export type RotaryTable =
  | { readonly kind: 'default'; readonly theta: number }
  | { readonly kind: 'linear'; readonly theta: number; readonly factor: number }
  | { readonly kind: 'dynamic'; readonly theta: number; readonly factor: number; readonly originalContext: number }
  | {
      readonly kind: 'llama3';
      readonly theta: number;
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalContext: number;
    }
  | {
      readonly kind: 'yarn';
      readonly theta: number;
      readonly factor: number;
      readonly betaFast: number;
      readonly betaSlow: number;
      readonly originalContext: number;
      /** Whether the borders of the ramp are rounded to whole dimensions. */
      readonly truncate: boolean;
      /** Multiplies cosines and sines. */
      readonly attentionFactor: number;
    }
  | {
      readonly kind: 'longrope';
      readonly theta: number;
      readonly originalContext: number;
      /** Divisors of the frequencies of positions below and from `originalContext` on: [dims / 2] each. */
      readonly shortFactors: readonly number[];
      readonly longFactors: readonly number[];
      /** Multiply cosines and sines. */
      readonly shortAttentionFactor: number;
      readonly longAttentionFactor: number;
    };

export interface Rotary {
  readonly table: RotaryTable;
  /** Leading dimensions of a head that are rotated, an even number; the others are left. */
  readonly dims: number;
  /** `halves` rotates (i, i + dims / 2), `adjacent` (2i, 2i + 1). */
  readonly pairing: 'halves' | 'adjacent';
}

/** Grouped-query attention. Order: projection, bias, norm before the rotation, clip, rotation, norm after the rotation. */
export interface Attention {
  readonly kind: 'gqa';
  readonly heads: number;
  /** Divides `heads`. */
  readonly kvHeads: number;
  readonly headDim: number;
  /** Multiplies q k. */
  readonly scale: number;
  readonly queryKeyValueBias: boolean;
  readonly outputBias: boolean;
  /** q and k: each head by itself with a weight [headDim], or the whole projection. */
  readonly queryKeyNorm: {
    readonly extent: 'head' | 'projection';
    readonly place: 'before_rotation' | 'after_rotation';
    readonly norm: Norm;
  } | null;
  /** q, k and v are clamped to [-clip, clip]. */
  readonly clip: number | null;
  readonly rotary: Rotary | null;
  /** Positions that a row sees, its own included; null: all up to its own. */
  readonly window: number | null;
  /** A learned logit per head that joins the softmax and has no value. */
  readonly sinks: boolean;
}

/** `clamped_swiglu`: gate = min(gate, limit), up = clamp(up, -limit, limit), (up + 1) * gate * sigmoid(alpha * gate). */
export type Activation =
  | { readonly kind: 'silu' }
  | { readonly kind: 'gelu' }
  | { readonly kind: 'gelu_tanh' }
  | { readonly kind: 'clamped_swiglu'; readonly limit: number; readonly alpha: number };

/** y = down (activation(gate x) * (up x)); gate and up are [width, dModel]. */
export interface GatedMlp {
  readonly width: number;
  readonly activation: Activation;
  readonly bias: boolean;
}

/**
 * `softmax`: over all experts, then the best are chosen. `softmax_of_chosen`: the best logits are chosen, then their softmax.
 * `sigmoid`: of each logit. `sparse_mixer`: Phi-3.5-MoE's two rounds, in which an expert counts whose distance from the
 * best is at most `threshold` of the larger magnitude.
 */
export type RouterScores =
  | { readonly kind: 'softmax' }
  | { readonly kind: 'softmax_of_chosen' }
  | { readonly kind: 'sigmoid' }
  | { readonly kind: 'sparse_mixer'; readonly threshold: number };

export interface Router {
  readonly experts: number;
  readonly topK: number;
  /** Added to the logits. */
  readonly bias: boolean;
  readonly scores: RouterScores;
  /** Added to the scores for the choice of experts only. */
  readonly choiceBias: boolean;
  /** Only experts of the best groups may be chosen; a group counts as much as its best two scores. */
  readonly groups: { readonly count: number; readonly chosen: number } | null;
  /** The chosen scores are divided by their sum + epsilon, at least by `minimum`; null: used as they are. */
  readonly normalization: { readonly epsilon: number; readonly minimum: number } | null;
  /** Multiplies the weights. */
  readonly scale: number;
}

export interface SharedExpert {
  readonly mlp: GatedMlp;
  /** Whether its output is multiplied by the sigmoid of a linear gate of the row. */
  readonly gate: boolean;
}

export type Mlp =
  | { readonly kind: 'dense'; readonly mlp: GatedMlp }
  | { readonly kind: 'moe'; readonly router: Router; readonly expert: GatedMlp; readonly shared: SharedExpert | null };

/** x += residualScale * attention(norm(x)); x += residualScale * mlp(norm(x)). */
export interface Block {
  readonly attentionNorm: Norm;
  readonly attention: Attention;
  readonly mlpNorm: Norm;
  readonly mlp: Mlp;
  readonly residualScale: number;
}

export interface ModelDescription {
  readonly family: string;
  readonly activations: ActivationType;
  readonly dModel: number;
  readonly vocab: number;
  /** Largest number of positions a sequence may have, in tokens. */
  readonly maxContext: number;
  /** Multiplies embeddings. */
  readonly embeddingScale: number;
  readonly blocks: readonly Block[];
  /** Index in `blocks` for each layer: [layers]. */
  readonly blockOfLayer: readonly number[];
  readonly finalNorm: Norm;
  readonly head: {
    /** The head's matrix is the embedding. */
    readonly tied: boolean;
    readonly bias: boolean;
    /** Multiplies logits. */
    readonly scale: number;
    /** logits = softCap * tanh(logits / softCap), after the scale. */
    readonly softCap: number | null;
  };
}

/** What the MoE layers of a model have in common; experts are numbered alike in all of them. */
export interface ExpertShape {
  /** MoE layers in the order of execution: indices of the model's layers. Empty for a dense model. */
  readonly layers: readonly number[];
  /** 0 for a dense model. */
  readonly experts: number;
  readonly topK: number;
}

/** The MoE layers of a model; all have the same numbers of experts. */
export function expertShape({ blocks, blockOfLayer }: Pick<ModelDescription, 'blocks' | 'blockOfLayer'>): ExpertShape {
  const layers = [...blockOfLayer.keys()].filter((layer) => blocks[blockOfLayer[layer] ?? -1]?.mlp.kind === 'moe');
  const routers = blocks.flatMap(({ mlp }) => (mlp.kind === 'moe' ? [mlp.router] : []));
  return { layers, experts: routers[0]?.experts ?? 0, topK: routers[0]?.topK ?? 0 };
}

/** Experts of all layers: their ids go from 0 to here, index * experts + expert, where index counts the MoE layers. */
export function countExperts(model: Pick<ModelDescription, 'blocks' | 'blockOfLayer'>): number {
  const { layers, experts } = expertShape(model);
  return layers.length * experts;
}

/** The layer, counted among all, and the expert that an id stands for. */
export function placeOfExpert(
  model: Pick<ModelDescription, 'blocks' | 'blockOfLayer'>,
  id: number,
): { readonly layer: number; readonly expert: number } {
  const { layers, experts } = expertShape(model);
  const layer = layers[Math.floor(id / experts)];
  if (layer === undefined) throw new RangeError(`There is no expert of id ${id}.`);
  return { layer, expert: id % experts };
}

/** An expert for people. */
export function nameExpert(model: Pick<ModelDescription, 'blocks' | 'blockOfLayer'>, id: number): string {
  const { layer, expert } = placeOfExpert(model, id);
  return `expert ${expert} of layer ${layer}`;
}
