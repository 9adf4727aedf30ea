// Pieces of a description, as decoders in the style of Llama use them. In: numbers of a config. Out: norms, attention, MLPs and
// a model of a list of blocks, one for each layer. Pure.
import type { Attention, Block, GatedMlp, Mlp, Norm, Rotary, Router } from '../../../../native/model-description.ts';
import { type ModelConfig, refuseKey } from '../../read-model-config.ts';
import type { ModelOutline } from '../../section-shapes.ts';
import type { DecoderKeys } from './config-keys.ts';
import { contextFactor, type RotaryChoices, readRotary } from './rotary-config.ts';

/** Of most families: bf16 models round the normalized row before they multiply it by the weight. */
export function rmsNorm(epsilon: number): Norm {
  return { kind: 'rms', epsilon, bias: false, roundsBeforeWeight: true };
}

export interface AttentionChoices extends Partial<Omit<RotaryChoices, 'headDim'>> {
  readonly queryKeyValueBias?: boolean;
  readonly outputBias?: boolean;
  readonly queryKeyNorm?: Attention['queryKeyNorm'];
  readonly clip?: number | null;
  readonly sinks?: boolean;
  /** Multiplies q k; default: the head's width to the power of -0.5. */
  readonly scale?: number;
}

/** Attention over all positions. Throws DomainError `bad_config` for heads that do not divide. */
export function attentionOf(
  config: Pick<ModelConfig, 'path'>,
  keys: DecoderKeys,
  choices: AttentionChoices = {},
): Attention {
  const { heads, kvHeads, headDim } = headsOf(config, keys);
  return {
    kind: 'gqa',
    heads,
    kvHeads,
    headDim,
    scale: choices.scale ?? headDim ** -0.5,
    queryKeyValueBias: choices.queryKeyValueBias ?? false,
    outputBias: choices.outputBias ?? false,
    queryKeyNorm: choices.queryKeyNorm ?? null,
    clip: choices.clip ?? null,
    rotary: readRotary(config, keys, { pairing: 'halves', ...choices, headDim }),
    window: null,
    sinks: choices.sinks ?? false,
  };
}

function headsOf(config: Pick<ModelConfig, 'path'>, keys: DecoderKeys) {
  const { hidden_size: dModel, num_attention_heads: heads } = keys;
  const kvHeads = keys.num_key_value_heads ?? heads;
  if (heads % kvHeads !== 0) {
    throw refuseKey(config, 'num_key_value_heads', kvHeads, `expected a divisor of num_attention_heads (${heads})`);
  }
  const headDim = keys.head_dim ?? dModel / heads;
  if (!Number.isInteger(headDim)) {
    const expected = `expected a divisor of hidden_size (${dModel}), or a "head_dim"`;
    throw refuseKey(config, 'num_attention_heads', heads, expected);
  }
  if (headDim % 2 !== 0) throw refuseKey(config, 'head_dim', headDim, 'expected an even number');
  return { heads, kvHeads, headDim };
}

/** Without biases, with SiLU. */
export function siluMlp(width: number): GatedMlp {
  return { width, activation: { kind: 'silu' }, bias: false };
}

export function denseMlp(width: number): Mlp {
  return { kind: 'dense', mlp: siluMlp(width) };
}

/** A softmax over all experts, of which the best are taken as they are. */
export function softmaxRouter(experts: number, topK: number, changes: Partial<Router> = {}): Router {
  return {
    experts,
    topK,
    bias: false,
    scores: { kind: 'softmax' },
    choiceBias: false,
    groups: null,
    normalization: null,
    scale: 1,
    ...changes,
  };
}

/** The chosen scores add up to 1; `epsilon` is added to what they are divided by. */
export function normalizedTo1(epsilon = 0): Router['normalization'] {
  return { epsilon, minimum: 0 };
}

/** What a family has to say of a model beside its shared keys. */
export interface DecoderChoices {
  readonly attention: Attention;
  readonly norm?: Norm;
  readonly residualScale?: number;
  readonly embeddingScale?: number;
  readonly head?: Partial<ModelOutline['head']>;
  /** Positions that a layer sees; default: all. */
  readonly window?: (layer: number) => number | null;
  readonly mlp: (layer: number) => Mlp;
}

/** A model whose layers are a norm and attention, then a norm and an MLP. */
export function describeDecoder(keys: DecoderKeys, choices: DecoderChoices): Omit<ModelOutline, 'family'> {
  const { attention, residualScale = 1 } = choices;
  const norm = choices.norm ?? rmsNorm(keys.rms_norm_eps);
  const blocks = Array.from({ length: keys.num_hidden_layers }, (_, layer): Block => {
    const window = choices.window?.(layer) ?? null;
    return {
      attentionNorm: norm,
      attention: { ...attention, window },
      mlpNorm: norm,
      mlp: choices.mlp(layer),
      residualScale,
    };
  });
  return {
    dModel: keys.hidden_size,
    vocab: keys.vocab_size,
    maxContext: maxContext(keys.max_position_embeddings, attention.rotary),
    embeddingScale: choices.embeddingScale ?? 1,
    ...kindsOf(blocks),
    finalNorm: norm,
    head: { tied: keys.tie_word_embeddings, bias: false, scale: 1, softCap: null, ...choices.head },
  };
}

function maxContext(positions: number, rotary: Rotary | null): number {
  return rotary === null ? positions : Math.trunc(positions * contextFactor(rotary.table));
}

/** Equal blocks are one kind; kinds are numbered as they come first. */
function kindsOf(layers: readonly Block[]): Pick<ModelOutline, 'blocks' | 'blockOfLayer'> {
  const numbers = new Map<string, number>();
  const blocks: Block[] = [];
  const blockOfLayer = layers.map((block) => {
    const key = JSON.stringify(block);
    const number = numbers.get(key) ?? blocks.push(block) - 1;
    numbers.set(key, number);
    return number;
  });
  return { blocks, blockOfLayer };
}
