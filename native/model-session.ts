// The engine as workers see it: a model with its packs attached, a KV cache of fixed-size blocks, and one asynchronous
// call per step, or a few per layer where a group of nodes shares the step. In: a checked batch. Out: the logits asked
// for. Who runs and which blocks are whose is decided elsewhere.
import { ADDON_DTYPE, type AddonGpuProperties, type AddonModelSession, type AddonModelShape } from './addon-types.ts';
import { type Backend, backendsFor } from './choose-backend.ts';
import { FallbackSession } from './fallback-session.ts';
import {
  GroupMember,
  type GroupPlace,
  type GroupStepReport,
  memberShares,
  type StepCommand,
  toAddonPlace,
} from './group-member.ts';
import { loadAddon } from './load-addon.ts';
import type { MappedFile } from './mapped-file.ts';
import type { ModelDescription } from './model-description.ts';
import { NativeError, refusing, toNativeError } from './native-error.ts';

/** Positions per KV block; attention adds up in blocks of this size, so it is part of the numerics. */
export const KV_BLOCK_TOKENS = 64;

export interface SessionOptions {
  /** Where to compute; `auto` takes the GPU of a Mac with Apple silicon, else the CPU. */
  readonly backend: Backend | 'auto';
  /** Computing threads, >= 1. */
  readonly threads: number;
  /** Size of the KV cache, in blocks of KV_BLOCK_TOKENS positions. */
  readonly kvBlocks: number;
  /** Most rows (tokens) in one step. */
  readonly maxRows: number;
  /**
   * '' picks the fastest. For the CPU a name out of kernelVariants(), the same bits whichever it is; for Metal `lanes` or
   * `matrices`, whose bits differ.
   */
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

/**
 * What a layer's experts add to the rows: the outputs of all (row, rank) [rows, topK, dModel] in the activation type,
 * aligned to 4 bytes; or their weighted sums [rows, dModel].
 */
export type Contribution = { readonly outputs: Uint8Array } | { readonly sums: Float32Array };

/** Where attend writes; arrays may be longer. */
export interface AttendResult {
  /** Experts that each row chose, in the router's ranking order: [rows, topK]. */
  readonly experts: Int32Array;
  /** Their weights: [rows, topK]. */
  readonly weights: Float32Array;
  /** The experts' input [rows, dModel] in the activation type; null when no other node needs it. */
  readonly hidden: Uint8Array | null;
}

/** Expert outputs to compute: experts[i] of row rows[i]. */
export interface ExpertWork {
  readonly layer: number;
  readonly rows: Int32Array;
  readonly experts: Int32Array;
  /** Rows from another node [hiddenRows, dModel], at any alignment; null takes what attend left. */
  readonly hidden: { readonly data: Uint8Array; readonly rows: number } | null;
  /** Written: [slots, dModel] in the activation type, at any alignment; may be longer. */
  readonly outputs: Uint8Array;
}

/** Names of the kernel variants this CPU runs, fastest first. */
export function kernelVariants(): string[] {
  return loadAddon().kernelVariants();
}

/** The GPU of a backend. Throws NativeError `unavailable` saying what is missing. */
export function gpuProperties(backend: Exclude<Backend, 'cpu'>): AddonGpuProperties {
  try {
    return loadAddon().gpuProperties(backend);
  } catch (thrown) {
    throw toNativeError(thrown);
  }
}

export class ModelSession {
  readonly description: ModelDescription;
  readonly options: SessionOptions;
  readonly #raw: FallbackSession<AddonModelSession>;
  readonly #lost = new AbortController();

  private constructor(description: ModelDescription, options: SessionOptions, raw: FallbackSession<AddonModelSession>) {
    this.description = description;
    this.options = options;
    this.#raw = raw;
  }

  /** Reserves the KV cache and starts the threads. Throws NativeError naming the option at fault. */
  static create(description: ModelDescription, options: SessionOptions): ModelSession {
    const open = (backend: Backend): AddonModelSession =>
      loadAddon().createSession(toAddonShape(description), { ...options, backend });
    const backends = backendsFor(options.backend, process.platform, process.arch);
    const warn = (message: string): void => process.emitWarning(message);
    try {
      return new ModelSession(description, options, new FallbackSession({ backends, open, warn }));
    } catch (thrown) {
      throw toNativeError(thrown);
    }
  }

  /** Where it computes. May change while packs are attached and nothing has been computed, if `auto` was asked for. */
  get backend(): Backend {
    return this.#raw.backend;
  }

  /** Aborted with NativeError `device_lost` when the GPU gave up: this session computes no more. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  attachShared(file: MappedFile, sections: SharedSections): void {
    const perLayer = sections.layers.flatMap((layer) => [layer.norm1, layer.wqkv, layer.wo, layer.norm2, layer.router]);
    const offsets = Float64Array.from([...perLayer, sections.embedding, sections.finalNorm, sections.lmHead]);
    this.#attach('shared', file, (raw) => raw.attachShared(file.raw, offsets));
  }

  attachExpert(expert: number, file: MappedFile, sections: ExpertSections): void {
    const offsets = Float64Array.from(sections.layers.flatMap((layer) => [layer.gateUp, layer.down]));
    this.#attach(expert, file, (raw) => raw.attachExpert(expert, file.raw, offsets));
  }

  /** Lets go of an expert and its file. Throws NativeError `busy` while the session computes. */
  detachExpert(expert: number): void {
    refusing(() => this.#raw.session.detachExpert(expert));
    this.#raw.forget(expert);
  }

  /** Bytes of one row of activations, the experts' input or output. */
  get activationBytes(): number {
    return this.description.dModel * (this.description.dtype === 'bf16' ? 2 : 4);
  }

  /**
   * Runs all layers for the batch, appending to the KV cache, and writes logits `[logitRows, vocab]` in the order of
   * `batch.logitRows`. The arrays must not change before the promise settles. Rejects with NativeError: `busy` while
   * another step runs, `invalid_argument` with what is wrong; the KV cache is then as before.
   */
  async step(batch: StepBatch, logits: Float32Array): Promise<void> {
    const { tokens, positions, sequences, blockTables, blockTableWidth, logitRows } = batch;
    await this.#settling((raw) =>
      raw.step(tokens, positions, sequences, blockTables, blockTableWidth, logitRows, logits),
    );
  }

  /** Takes a place in a group, for groupStep. Throws NativeError naming what does not fit. */
  joinGroup(place: GroupPlace): GroupMember {
    return refusing(() => new GroupMember(loadAddon().createGroupMember(this.#raw.use(), toAddonPlace(place))));
  }

  /**
   * As step, with the other members of a decentralized group. Only the leader gets logits, others pass null. Rejects with
   * NativeError as step does, with `exchange` when Redis is away or refuses, and with `interrupted`.
   */
  groupStep(
    member: GroupMember,
    order: StepCommand,
    batch: StepBatch,
    logits: Float32Array | null,
  ): Promise<GroupStepReport> {
    const { tokens, positions, sequences, blockTables, blockTableWidth, logitRows } = batch;
    return this.#settling(async (raw) => {
      const { culprits, members, ...report } = await raw.groupStep(
        tokens,
        positions,
        sequences,
        blockTables,
        blockTableWidth,
        logitRows,
        logits,
        member.raw,
        order,
      );
      return { ...report, culprits: [...culprits], members: memberShares(members) };
    });
  }

  // The parts of a step. Between them nodes exchange rows: begin, then attend and runExperts of every layer, then project.
  // Together they give the bits of `step`. All need the shared pack, runExperts only the experts that it is asked for.

  /** Starts a step, or restarts one. Returns at once; throws NativeError as step does. */
  begin(batch: StepBatch): void {
    const { tokens, positions, sequences, blockTables, blockTableWidth, logitRows } = batch;
    refusing(() => this.#raw.use().begin(tokens, positions, sequences, blockTables, blockTableWidth, logitRows));
  }

  /** Attention and router of the next layer; `before` is what the experts of the layer before contribute, null in layer 0. */
  attend(layer: number, before: Contribution | null, result: AttendResult): Promise<void> {
    const { experts, weights, hidden } = result;
    return this.#settling((raw) => raw.attend(layer, outputsOf(before), sumsOf(before), experts, weights, hidden));
  }

  /** Outputs of some experts for some rows, of the step at hand or from another node. */
  runExperts({ layer, rows, experts, hidden, outputs }: ExpertWork): Promise<void> {
    return this.#settling((raw) =>
      raw.runExperts(layer, rows, experts, hidden?.data ?? null, hidden?.rows ?? 0, outputs),
    );
  }

  /**
   * Weighted sums of the expert outputs of rows [firstRow, firstRow + rows) of the layer attended last: outputs
   * [rows, topK, dModel], aligned to 4 bytes, to sums [rows, dModel].
   */
  sumOutputs(firstRow: number, rows: number, outputs: Uint8Array, sums: Float32Array): Promise<void> {
    return this.#settling((raw) => raw.sumOutputs(firstRow, rows, outputs, sums));
  }

  /** Ends the step: logits [logitRows, vocab]. */
  project(before: Contribution, logits: Float32Array): Promise<void> {
    return this.#settling((raw) => raw.project(outputsOf(before), sumsOf(before), logits));
  }

  /** Sessions of one class give the same bits: `cpu`, or one per GPU family and kernel variant. */
  get numericsClass(): string {
    return this.#raw.session.numericsClass();
  }

  /** How many rows each expert was given since the session began: [layers, experts]. */
  routingCounts(): Float64Array {
    return this.#raw.session.routingCounts();
  }

  /** Waits for a running step, then frees threads and KV cache. */
  async close(): Promise<void> {
    await this.#raw.session.close();
  }

  async #settling<T>(call: (raw: AddonModelSession) => Promise<T>): Promise<T> {
    try {
      return await call(this.#raw.use());
    } catch (thrown) {
      const error = toNativeError(thrown);
      if (error.code === 'device_lost') this.#lost.abort(error);
      throw error;
    }
  }

  #attach(pack: number | 'shared', file: MappedFile, attach: (raw: AddonModelSession) => void): void {
    try {
      this.#raw.attach(pack, attach);
    } catch (thrown) {
      const error = toNativeError(thrown);
      throw new NativeError(error.code, `${file.path}: ${error.message}`, { cause: thrown });
    }
  }
}

function outputsOf(contribution: Contribution | null): Uint8Array | null {
  return contribution !== null && 'outputs' in contribution ? contribution.outputs : null;
}

function sumsOf(contribution: Contribution | null): Float32Array | null {
  return contribution !== null && 'sums' in contribution ? contribution.sums : null;
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
