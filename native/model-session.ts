// The engine as workers see it: a model with its packs attached, a KV cache of fixed-size blocks, and one asynchronous
// call per step. In: a checked batch. Out: the logits asked for. Who runs and which blocks are whose is decided elsewhere.
import { ADDON_DTYPE, type AddonModelSession, type AddonModelShape } from './addon-types.ts';
import { loadAddon } from './load-addon.ts';
import type { MappedFile } from './mapped-file.ts';
import type { ModelDescription } from './model-description.ts';
import { NativeError, toNativeError } from './native-error.ts';

/** Positions per KV block; attention adds up in blocks of this size, so it is part of the numerics. */
export const KV_BLOCK_TOKENS = 64;

export interface SessionOptions {
  /** Computing threads, >= 1. */
  readonly threads: number;
  /** Size of the KV cache, in blocks of KV_BLOCK_TOKENS positions. */
  readonly kvBlocks: number;
  /** Most rows (tokens) in one step. */
  readonly maxRows: number;
  /** A name out of kernelVariants(); '' picks the fastest. Same bits whichever it is. */
  readonly variant: string;
}

/** Byte offsets of the sections in a pack file. */
export interface SharedSections {
  readonly layers: readonly {
    readonly norm1: number;
    readonly wqkv: number;
    readonly wo: number;
    readonly norm2: number;
    readonly router: number;
  }[];
  readonly embedding: number;
  readonly finalNorm: number;
  readonly lmHead: number;
}

export interface ExpertSections {
  readonly layers: readonly { readonly gateUp: number; readonly down: number }[];
}

/** The rows of one step. Rows of a sequence stand in ascending position order; a sequence's KV blocks are in its table. */
export interface StepBatch {
  /** Token id of each row: [rows]. */
  readonly tokens: Int32Array;
  /** Position of each row in its sequence: [rows]. */
  readonly positions: Int32Array;
  /** Index of each row's block table: [rows]. */
  readonly sequences: Int32Array;
  /** KV block ids, padded with -1: [sequences, blockTableWidth]. */
  readonly blockTables: Int32Array;
  readonly blockTableWidth: number;
  /** Rows whose logits are wanted: [logitRows]. */
  readonly logitRows: Int32Array;
}

/** Names of the kernel variants this CPU runs, fastest first. */
export function kernelVariants(): string[] {
  return loadAddon().kernelVariants();
}

export class ModelSession {
  readonly description: ModelDescription;
  readonly options: SessionOptions;
  readonly #raw: AddonModelSession;

  private constructor(description: ModelDescription, options: SessionOptions, raw: AddonModelSession) {
    this.description = description;
    this.options = options;
    this.#raw = raw;
  }

  /** Reserves the KV cache and starts the threads. Throws NativeError naming the option at fault. */
  static create(description: ModelDescription, options: SessionOptions): ModelSession {
    try {
      return new ModelSession(description, options, loadAddon().createSession(toAddonShape(description), options));
    } catch (thrown) {
      throw toNativeError(thrown);
    }
  }

  attachShared(file: MappedFile, sections: SharedSections): void {
    const perLayer = sections.layers.flatMap((layer) => [layer.norm1, layer.wqkv, layer.wo, layer.norm2, layer.router]);
    this.#attach(file, () =>
      this.#raw.attachShared(
        file.raw,
        Float64Array.from([...perLayer, sections.embedding, sections.finalNorm, sections.lmHead]),
      ),
    );
  }

  attachExpert(expert: number, file: MappedFile, sections: ExpertSections): void {
    const offsets = Float64Array.from(sections.layers.flatMap((layer) => [layer.gateUp, layer.down]));
    this.#attach(file, () => this.#raw.attachExpert(expert, file.raw, offsets));
  }

  /**
   * Runs all layers for the batch, appending to the KV cache, and writes logits `[logitRows, vocab]` in the order of
   * `batch.logitRows`. The arrays must not change before the promise settles. Rejects with NativeError: `busy` while
   * another step runs, `invalid_argument` with what is wrong; the KV cache is then as before.
   */
  async step(batch: StepBatch, logits: Float32Array): Promise<void> {
    const { tokens, positions, sequences, blockTables, blockTableWidth, logitRows } = batch;
    try {
      await this.#raw.step(tokens, positions, sequences, blockTables, blockTableWidth, logitRows, logits);
    } catch (thrown) {
      throw toNativeError(thrown);
    }
  }

  /** How many rows each expert was given since the session began: [layers, experts]. */
  routingCounts(): Float64Array {
    return this.#raw.routingCounts();
  }

  /** Waits for a running step, then frees threads and KV cache. */
  async close(): Promise<void> {
    await this.#raw.close();
  }

  #attach(file: MappedFile, call: () => void): void {
    try {
      call();
    } catch (thrown) {
      const error = toNativeError(thrown);
      throw new NativeError(error.code, `${file.path}: ${error.message}`, { cause: thrown });
    }
  }
}

function toAddonShape(model: ModelDescription): AddonModelShape {
  return {
    dtype: ADDON_DTYPE[model.dtype],
    layers: model.layers,
    dModel: model.dModel,
    vocab: model.vocab,
    maxContext: model.maxContext,
    normEpsilon: model.norm.epsilon,
    heads: model.attention.heads,
    kvHeads: model.attention.kvHeads,
    headDim: model.attention.headDim,
    clipQkv: model.attention.clipQkv ?? Number.POSITIVE_INFINITY,
    ropeTheta: model.attention.ropeTheta,
    experts: model.router.experts,
    topK: model.router.topK,
    routerNormalization: model.router.normalization === 'l1' ? 1 : 0,
    ffn: model.expert.ffn,
  };
}
