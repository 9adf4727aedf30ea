// The addon's raw exports, exactly. Nothing optional, no defaults: the classes beside this file check arguments and
// give good messages, the addon checks again for memory safety. test/unit/native compares this list with the .node.
import type { ModelDescription } from './model-description.ts';

export interface AddonSessionLimits {
  readonly threads: number;
  /** KV blocks of 64 positions. */
  readonly kvBlocks: number;
  /** Rows (tokens) a single step may carry. */
  readonly maxRows: number;
  /** 'cpu', 'metal' or 'metal-emulated'. */
  readonly backend: string;
  /** '' picks the fastest variant of the backend. */
  readonly variant: string;
}

/** A read-only memory-mapped file. */
export interface AddonMappedFile {
  readonly size: number;
  /** A copy of `length` bytes at `offset`. */
  read(offset: number, length: number): Uint8Array;
  /** Tells the kernel that the range will be needed, and faults it in. */
  populate(offset: number, length: number): void;
  /** Gives the range's pages back. */
  release(offset: number, length: number): void;
  /**
   * Writes a strided matrix of this file into `out` as panels of 32 outputs (core/panel-layout.h): element (o, i) is read
   * at `offset + (o * outputStride + i * inputStride) * bytesPerWeight`. Panel p goes to slot `p * slotStep + slotOffset`.
   */
  packPanels(
    offset: number,
    dtype: number,
    outputs: number,
    inputs: number,
    outputStride: number,
    inputStride: number,
    out: Uint8Array,
    slotStep: number,
    slotOffset: number,
  ): void;
  close(): void;
}

/** ByteRows of packed-matrix.ts. */
export interface AddonByteRows {
  readonly bytes: AddonMappedFile | Uint8Array;
  readonly offset: number;
  readonly stride: number;
}

export interface AddonModelSession {
  /** Seven numbers for each section, see toSectionTable. */
  attach(file: AddonMappedFile, sections: Float64Array): void;
  /** ids: index of the MoE layer * experts + expert. */
  detachExperts(ids: Int32Array): void;
  /** See ModelSession.step. */
  step(
    tokens: Int32Array,
    positions: Int32Array,
    sequences: Int32Array,
    blockTables: Int32Array,
    blockTableWidth: number,
    logitRows: Int32Array,
    output: AddonStepOutput,
  ): Promise<void>;
  /** See ModelSession.groupStep. */
  groupStep(
    tokens: Int32Array,
    positions: Int32Array,
    sequences: Int32Array,
    blockTables: Int32Array,
    blockTableWidth: number,
    logitRows: Int32Array,
    output: AddonStepOutput | null,
    member: AddonGroupMember,
    order: AddonStepCommand,
  ): Promise<AddonGroupStepReport>;
  /** See ModelSession.serveExperts. */
  serveExperts(member: AddonGroupMember): Promise<string>;
  /** Names what decides the bits of results (docs/design.md#numerics-v1). */
  numericsClass(): string;
  /** Routed rows per layer and expert since the session began: [layers, experts]. */
  routingCounts(): Float64Array;
  close(): Promise<void>;
}

/** What is wanted of rows of logits, and where it goes: SamplingJob and SamplingResult in sampler/row-sampler.h. */
export interface AddonSampling {
  /**
   * [draws, 12]: row, numbers of guesses, counts and biases, topK, topLogprobs (-1 for none), choice, position, purpose, lower and
   * upper 32 bits of the seed, index of the constraint or -1.
   */
  readonly draws: Int32Array;
  /** [draws, 6]: temperature, topP, minP, repetition, frequency and presence penalty. */
  readonly numbers: Float64Array;
  /** Of one draw after the other. */
  readonly guesses: Int32Array;
  /** Of one draw after the other, [counts, 2]: token, how often it was generated. */
  readonly counts: Int32Array;
  /** Of one draw after the other. */
  readonly biasIds: Int32Array;
  readonly biases: Float64Array;
  /** [scores, 3]: row, token, topLogprobs. */
  readonly scores: Int32Array;
  /** What draws refer to by index. */
  readonly constraints: readonly AddonConstraint[];
  /** Written, [rows]. */
  readonly ids: Int32Array;
  /** Written, [rows]: Outcome in sampler/sample-token.h. */
  readonly outcomes: Int32Array;
  /** Written, [rows]. */
  readonly logprobs: Float64Array;
  /** Written, [rows, topWidth]. */
  readonly topIds: Int32Array;
  readonly topLogprobs: Float64Array;
}

/** What becomes of logits [logitRows, vocab]: an array takes them, or they are sampled. */
export type AddonStepOutput = Float32Array | AddonSampling;

/** RedisAddress in exchange/redis-connection.h; '' where there is nothing. */
export interface AddonRedisAddress {
  readonly path: string;
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly db: number;
}

/** A stream at one of `exchanges`. */
export interface AddonOutgoingStream {
  /** Index. */
  readonly exchange: number;
  readonly key: string;
}

/** ExchangeStreams of exchange/frame-exchange.h. */
export interface AddonGroupStreams {
  /** The first is where this node reads. */
  readonly exchanges: readonly AddonRedisAddress[];
  /** Of the connections. */
  readonly name: string;
  readonly toAll: readonly AddonOutgoingStream[];
  /** [members] */
  readonly toMember: readonly AddonOutgoingStream[];
  readonly incoming: readonly string[];
  readonly incomingFrom: Int32Array;
}

/** Who computes what: exchange/expert-assigner.h, or one of bench/paper-policies.h. */
export type AddonPolicy =
  | { readonly name: 'least' }
  | { readonly name: 'deal' | 'busy-full' | 'recent'; readonly topK: number }
  | { readonly name: 'cold'; readonly topK: number; readonly files: readonly AddonMappedFile[] };

/** What makes a DecentralizedMember, a CentralizedLeader or an ExpertServer of native/exchange. */
export interface AddonGroupMemberOptions extends AddonGroupStreams {
  readonly policy: AddonPolicy;
  readonly centralized: boolean;
  readonly epoch: number;
  readonly me: number;
  readonly leader: number;
  readonly members: number;
  /** Where the members of each expert of each layer begin in `holders`, and the end: [layers * experts + 1]. */
  readonly holderOffsets: Int32Array;
  readonly holders: Int32Array;
  /** [members] */
  readonly speed: Float64Array;
}

/** What makes a HopProbe of exchange/hop-probe.h. */
export interface AddonHopProbeOptions extends AddonGroupStreams {
  readonly centralized: boolean;
  /** [nodes] */
  readonly bare: readonly string[];
  readonly me: number;
  readonly slots: number;
  readonly width: number;
}

/** See HopProbe of hop-probe.ts. */
export interface AddonHopProbe {
  exchangeSeconds(block: number, rounds: number): number;
  transportSeconds(block: number, rounds: number): number;
}

export interface AddonGroupMember {
  /** See GroupMember.leave. */
  leave(): void;
}

export interface AddonStepCommand {
  readonly step: number;
  /** Of the leader; null waits until it is interrupted. */
  readonly timeout: { readonly floorMs: number; readonly factor: number; readonly normalMs: number } | null;
  /** Members that get no work; centralized only. */
  readonly suspects: Int32Array;
}

/** GroupStepReport of exchange/group-member.h. */
export interface AddonGroupStepReport {
  readonly trouble: 'none' | 'late' | 'routing' | 'refused' | 'bad_frame' | 'failure' | 'no_holder';
  /** Members. */
  readonly culprits: Int32Array;
  readonly text: string;
  readonly attendSeconds: number;
  readonly expertSeconds: number;
  readonly projectSeconds: number;
  readonly waitsMs: Float64Array;
  /** Of each member expert seconds, wait seconds, slots, frames: [members, 4]. */
  readonly members: Float64Array;
  readonly replaced: readonly { readonly member: number; readonly why: string }[];
  readonly framesSent: number;
  readonly bytesSent: number;
}

/** GpuProperties in metal/gpu-device.h, as far as people need them. */
export interface AddonGpuProperties {
  readonly name: string;
  /** GPUs of one class give the same bits. */
  readonly className: string;
  /** Whether the system can be told what to keep wired. */
  readonly residencySets: boolean;
  /** Of the machine. */
  readonly memoryBytes: number;
  /** What the GPU may hold. */
  readonly workingSetBytes: number;
  readonly largestBufferBytes: number;
}

/** What backend 'metal-emulated' pretends to be, for tests of what a GPU may refuse. */
export interface AddonEmulatedGpu {
  readonly appleSilicon: boolean;
  /** What the GPU may hold. */
  readonly workingSetBytes: number;
  /** Number of dispatches that run before the device is lost. */
  readonly dispatchesUntilLost: number;
  /** A kernel that does not compile; '' for none. */
  readonly refusedKernel: string;
}

/** ExpertAssigner in exchange/expert-assigner.h. */
export interface AddonExpertAssigner {
  /** Writes the member of each slot of a MoE layer to the first elements of `members`. experts: [rows, topK], flat. */
  assign(layer: number, experts: Int32Array, members: Int32Array): void;
}

/** Constraint of infra/messages/constraint.ts, whose control tokens are ids here. */
export interface AddonConstraintTables {
  readonly flags: Int32Array;
  /** [rules, 3] */
  readonly rules: Float64Array;
  readonly edges: Int32Array;
  readonly calls: Int32Array;
  readonly tokens: Int32Array;
  readonly controlTokens: Int32Array;
}

/** TokenVocabulary and TokenMasks of native/constraint, to be handed back. */
export type AddonTokenVocabulary = object & { readonly kind?: 'vocabulary' };
export type AddonTokenMasks = object & { readonly kind?: 'masks' };

/** ConstraintState of native/constraint. */
export interface AddonConstraint {
  push(token: number): boolean;
  isOver(): boolean;
  forced(most: number): Int32Array;
  /** Writes a bit for each token, the lowest bit first: [2 * ceil(vocab / 64)]. False when it takes too much work. */
  mask(mask: Uint32Array): boolean;
}

export interface Addon {
  readonly layoutVersion: number;
  /** Names of the kernel variants this CPU can run, fastest first; 'reference' is always the last. */
  kernelVariants(): string[];
  /** The GPU of backend 'metal' or 'metal-emulated'. */
  gpuProperties(backend: string): AddonGpuProperties;
  /** Holds for emulated GPUs that are opened afterwards, in the whole process. */
  setEmulatedGpu(gpu: AddonEmulatedGpu): void;
  mapFile(path: string): AddonMappedFile;
  /** See packMatrix of packed-matrix.ts. `slotStep`, `slotOffset`: as for packPanels. */
  packMatrix(
    format: number,
    outputs: number,
    inputs: number,
    codes: AddonByteRows,
    scales: AddonByteRows,
    biases: AddonByteRows | null,
    factor: number,
    out: Uint8Array,
    slotStep: number,
    slotOffset: number,
  ): void;
  /**
   * See quantizeRows of quantize-rows.ts; `biases` are empty for float formats. Returns the squares of differences, those of weights,
   * and the largest difference.
   */
  quantizeRows(
    weights: Uint8Array,
    dtype: number,
    inputs: number,
    format: number,
    codes: Uint8Array,
    scales: Uint8Array,
    biases: Uint8Array,
  ): Float64Array;
  createSession(description: ModelDescription, limits: AddonSessionLimits): AddonModelSession;
  /**
   * The members that hold the expert of an id are `holders` from holderOffsets[id] to before holderOffsets[id + 1].
   * holderOffsets: [layers * experts + 1]; speed: [members].
   */
  createAssigner(
    holderOffsets: Int32Array,
    holders: Int32Array,
    speed: Float64Array,
    layers: number,
    policy: AddonPolicy,
  ): AddonExpertAssigner;
  createHopProbe(options: AddonHopProbeOptions): AddonHopProbe;
  /** Samples logits [rows, vocab] that lie in JavaScript, as a session of `threads` threads samples its own. Blocks. */
  sampleRows(logits: Float32Array, vocab: number, threads: number, sampling: AddonSampling): void;
  /** `bytes` of all tokens behind each other, that of token i up to ends[i]; `control`: 1 for tokens that match no bytes. */
  createVocabulary(vocab: number, bytes: Uint8Array, ends: Uint32Array, control: Uint8Array): AddonTokenVocabulary;
  createTokenMasks(vocabulary: AddonTokenVocabulary, tables: AddonConstraintTables): AddonTokenMasks;
  createConstraint(masks: AddonTokenMasks, endTokens: Int32Array): AddonConstraint;
  createGroupMember(session: AddonModelSession, options: AddonGroupMemberOptions): AddonGroupMember;
  /** See core/file-lock.h. */
  tryLockFile(descriptor: number): boolean;
  /** Seconds it takes `threads` threads to read all bytes of the files, `passes` times. Blocks. */
  probeReadSeconds(files: readonly AddonMappedFile[], threads: number, passes: number): number;
}
