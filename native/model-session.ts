// The engine's API for workers: a model with its packs attached, a KV cache of fixed-size blocks, and one asynchronous call
// per step, or a few per layer when a group of nodes shares the step. In: a validated batch. Out: sampled tokens, or the
// requested logits. The scheduler decides which sequences run and which blocks they own.
import type { AddonGpuProperties, AddonModelSession } from './addon-types.ts';
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
import { BYTES_PER_ACTIVATION, type ModelDescription, placeOfExpert } from './model-description.ts';
import { NativeError, refusing, toNativeError } from './native-error.ts';
import { rawOutput, type StepOutput } from './row-sampling.ts';
import { toSectionTable, type WeightSection } from './weight-sections.ts';

/** Positions per KV block. Attention accumulates block by block, so this size is part of the numerics. */
export const KV_BLOCK_TOKENS = 64;

export interface SessionOptions {
  /** `auto` selects the GPU of a Mac with Apple silicon, otherwise the CPU. */
  readonly backend: Backend | 'auto';
  /** Compute threads, >= 1. */
  readonly threads: number;
  /** Size of the KV cache, in blocks of KV_BLOCK_TOKENS positions. */
  readonly kvBlocks: number;
  /** Maximum number of rows (tokens) per step. */
  readonly maxRows: number;
  /**
   * '' selects the fastest. On the CPU a name from kernelVariants(), all of which compute the same bits; on Metal `lanes` or
   * `matrices`, whose bits differ.
   */
  readonly variant: string;
}

/** The rows of one step. The rows of a sequence are ordered by position; its block table lists its KV blocks. */
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
  /** Rows whose logits are computed: [logitRows]. */
  readonly logitRows: Int32Array;
}

/** Sections of one file, without those detached meanwhile. */
interface AttachedSections {
  sections: readonly WeightSection[];
  readonly attach: (raw: AddonModelSession) => void;
}

/** Names of the kernel variants that this CPU supports, fastest first. */
export function kernelVariants(): string[] {
  return loadAddon().kernelVariants();
}

/** The GPU of a backend. Throws NativeError `unavailable` naming what is missing. */
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
  readonly #attached = new Set<AttachedSections>();
  readonly #lost = new AbortController();

  private constructor(description: ModelDescription, options: SessionOptions, raw: FallbackSession<AddonModelSession>) {
    this.description = description;
    this.options = options;
    this.#raw = raw;
  }

  /** Reserves the KV cache and starts the threads. Throws NativeError naming the option at fault. */
  static create(description: ModelDescription, options: SessionOptions): ModelSession {
    const open = (backend: Backend): AddonModelSession =>
      loadAddon().createSession(description, { ...options, backend });
    const backends = backendsFor(options.backend, process.platform, process.arch);
    const warn = (message: string): void => process.emitWarning(message);
    try {
      return new ModelSession(description, options, new FallbackSession({ backends, open, warn }));
    } catch (thrown) {
      throw toNativeError(thrown);
    }
  }

  /** The backend in use. With `auto` it may still change while packs are attached, until the first step. */
  get backend(): Backend {
    return this.#raw.backend;
  }

  /** Aborted with NativeError `device_lost` when the GPU fails; the session cannot compute any more. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Takes in sections of a file. Throws NativeError naming the file and the section at fault. */
  attach(file: MappedFile, sections: readonly WeightSection[]): void {
    const attached: AttachedSections = {
      sections,
      attach: (raw) => raw.attach(file.raw, toSectionTable(attached.sections)),
    };
    try {
      this.#raw.attach(attached.attach);
    } catch (thrown) {
      const error = toNativeError(thrown);
      throw new NativeError(error.code, `${file.path}: ${error.message}`, { cause: thrown });
    }
    this.#attached.add(attached);
  }

  /** Releases experts, by id, and files of which nothing is left. Throws NativeError `busy` while the session computes. */
  detachExperts(ids: readonly number[]): void {
    refusing(() => this.#raw.session.detachExperts(Int32Array.from(ids)));
    const key = (layer: number | null, expert: number | null): string => `${layer} ${expert}`;
    const gone = new Set(
      ids.map((id) => placeOfExpert(this.description, id)).map(({ layer, expert }) => key(layer, expert)),
    );
    for (const attached of this.#attached) {
      attached.sections = attached.sections.filter(({ layer, expert }) => !gone.has(key(layer, expert)));
      if (attached.sections.length > 0) continue;
      this.#attached.delete(attached);
      this.#raw.forget(attached.attach);
    }
  }

  /** Bytes per row of activations, such as an expert's input or output. */
  get activationBytes(): number {
    return this.description.dModel * BYTES_PER_ACTIVATION[this.description.activations];
  }

  /**
   * Runs all layers for the batch and appends to the KV cache. Logits [logitRows, vocab], in the order of `batch.logitRows`,
   * go where `output` says. The arrays must not change before the promise settles. Rejects with NativeError `busy` while another
   * step runs, or `invalid_argument` naming the argument; the KV cache is then unchanged.
   */
  async step(batch: StepBatch, output: StepOutput): Promise<void> {
    const { tokens, positions, sequences, blockTables, blockTableWidth, logitRows } = batch;
    await this.#settling((raw) =>
      raw.step(tokens, positions, sequences, blockTables, blockTableWidth, logitRows, rawOutput(output)),
    );
  }

  /** Joins a group, for groupStep. Throws NativeError naming the invalid option. */
  joinGroup(place: GroupPlace): GroupMember {
    return refusing(() => new GroupMember(loadAddon().createGroupMember(this.#raw.use(), toAddonPlace(place))));
  }

  /**
   * As step, together with the other members of a group. Only the leader receives logits; others pass null.
   * Rejects with NativeError as step does, with `exchange` if Redis is unreachable or refuses, and with `interrupted`.
   */
  groupStep(
    member: GroupMember,
    order: StepCommand,
    batch: StepBatch,
    output: StepOutput | null,
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
        output === null ? null : rawOutput(output),
        member.raw,
        { ...order, suspects: Int32Array.from(order.suspects) },
      );
      return { ...report, culprits: [...culprits], members: memberShares(members) };
    });
  }

  /**
   * Computes what the leader of a centralized group asks of this member, until something cannot be, of which the leader has
   * been told; resolves with why, and is to be called again. Packs may come and go meanwhile. Rejects with NativeError
   * `exchange`, after which it may be called again, and with `interrupted`.
   */
  serveExperts(member: GroupMember): Promise<string> {
    return this.#settling((raw) => raw.serveExperts(member.raw));
  }

  /** Sessions of one class compute the same bits: `cpu`, or one class per GPU family and kernel variant. */
  get numericsClass(): string {
    return this.#raw.session.numericsClass();
  }

  /** Number of rows routed to each expert since the session started: [layers, experts]. */
  routingCounts(): Float64Array {
    return this.#raw.session.routingCounts();
  }

  /** Waits for a running step, then frees the threads and the KV cache. */
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
}
