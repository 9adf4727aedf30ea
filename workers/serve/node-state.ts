// The state that a node reports in its heartbeat: identity, holdings, reasons for waiting, numbers for operators.
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Config } from '../../infra/config/config-schema.ts';
import type { Logger } from '../../infra/log/logger.ts';
import { VERSION } from '../../infra/package-facts.ts';
import type { NodeReport } from '../../infra/registry/node-heartbeats.ts';
import type { Backend } from '../../native/choose-backend.ts';
import { expertShape } from '../../native/model-description.ts';
import { PROTOCOL_VERSION } from '../cluster/admit-nodes.ts';
import type { LoadedModel } from '../cluster/loaded-model.ts';
import { mainFormat } from '../model/stored-model.ts';
import { PACK_VERSION } from '../pack/pack-format.ts';
import { gpuBytes } from './gpu-memory.ts';
import type { EngineSize } from './open-engine.ts';
import { usableMemory } from './usable-memory.ts';
import { WorkerStatistics } from './worker-statistics.ts';

export class NodeState {
  readonly incarnation = randomBytes(8).toString('hex');
  readonly statistics: WorkerStatistics;
  role: NodeReport['role'] = 'member';
  leaving = false;
  /** What loading is at, '' when nothing is loaded. */
  loads = '';
  /** What the group it leads waits for. */
  waitsFor = '';
  /** Highest epoch that this node has seen anywhere. */
  seenEpoch = 0;
  bytesPerSecond = 0;
  canary: string | null = null;
  /** Of the group, while this node leads it. */
  groupNumbers: Readonly<Record<string, number>> = {};
  #beats = 0;
  /** Asking the system for its GPU takes a while: once. */
  #memory: { readonly backend: Backend; readonly bytes: number } | null = null;
  readonly #options: NodeStateOptions;

  constructor(options: NodeStateOptions) {
    this.#options = options;
    this.statistics = new WorkerStatistics(options.log);
  }

  get numericsClass(): string {
    return this.#options.held.session.numericsClass;
  }

  report(): NodeReport {
    const { nodeId, config, name, size } = this.#options;
    this.#beats += 1;
    return {
      id: nodeId,
      incarnation: this.incarnation,
      group: config.worker.group,
      model: name,
      role: this.role,
      leaving: this.leaving,
      waitsFor: this.waitsFor === '' ? this.loads : this.waitsFor,
      host: hostname(),
      pid: process.pid,
      version: VERSION,
      beats: this.#beats,
      backend: this.numericsClass,
      startedAtMs: Math.round(performance.timeOrigin),
      holdings: this.#holdings(),
      stats: { threads: size.threads, ...this.statistics.numbers(), ...this.groupNumbers },
    };
  }

  /** A session may still give up its GPU while packs are attached. */
  #memoryBytes(): number {
    const { backend } = this.#options.held.session;
    if (backend !== this.#memory?.backend) {
      this.#memory = { backend, bytes: Math.min(usableMemory(), gpuBytes(backend)) };
    }
    return this.#memory.bytes;
  }

  #holdings(): NodeReport['holdings'] {
    const { config, held, size, packsUrl } = this.#options;
    const { packed, description } = held.source;
    return {
      modelHash: packed.modelHash,
      dtype: mainFormat(description),
      layoutVersion: PACK_VERSION,
      protocol: PROTOCOL_VERSION,
      numericsClass: this.numericsClass,
      memoryBytes: config.worker.memoryBytes ?? this.#memoryBytes(),
      maxExperts: config.worker.maxExperts,
      bytesPerSecond: this.bytesPerSecond,
      kvTokens: size.kvTokens,
      expertsPerLayer: expertShape(description).experts,
      experts: held.experts,
      shared: held.shared,
      packsUrl,
      exchangeUrl: null,
      canary: this.canary,
    };
  }
}

export interface NodeStateOptions {
  readonly config: Config;
  readonly nodeId: string;
  /** Name of the model. */
  readonly name: string;
  readonly held: LoadedModel;
  readonly size: EngineSize;
  readonly packsUrl: string | null;
  readonly log: Logger;
}
