// What of the model this node holds: weights mapped and attached to its session. In: what it is to hold. Out: a session with
// that attached. Experts of layers come and go between steps; steps never wait for loading.
import { setTimeout as delay } from 'node:timers/promises';
import { Mutex } from '../../infra/timing/mutex.ts';
import type { MappedFile } from '../../native/mapped-file.ts';
import type { ModelSession } from '../../native/model-session.ts';
import { NativeError } from '../../native/native-error.ts';
import { attachPacks } from '../model/load-model.ts';
import type { ModelSource } from '../model/model-source.ts';
import { refusedByNative } from '../model/native-failures.ts';
import type { BuildEvents } from '../pack/build-packs.ts';
import { FolderUse } from '../pack/folder-use.ts';
import { FolderFiles, filesOf, type OpenedPack, openParts } from '../pack/open-packs.ts';
import type { PackId } from '../pack/pack-format.ts';

/** A member's session is busy for parts of steps only: it is asked again so much later. */
const BUSY_MS = 1;

/** What is to be held in addition. */
export interface HoldingsChange {
  /** Attention, router and embeddings. */
  readonly shared: boolean;
  /** Ids of experts of layers. */
  readonly experts: readonly number[];
}

export class LoadedModel {
  readonly source: ModelSource;
  readonly session: ModelSession;
  /** Mutex for exclusive use of the session: by a leader for each step, by loading for what was loaded. */
  readonly mutex = new Mutex();
  readonly #files = new FolderFiles();
  /** Null in a folder that is not there yet or cannot be written. */
  #use: FolderUse | null = null;
  #shared: OpenedPack | null = null;
  readonly #experts = new Map<number, OpenedPack>();

  /** `session` has nothing attached yet. */
  constructor(source: ModelSource, session: ModelSession) {
    this.source = source;
    this.session = session;
  }

  /** Ids of the experts of layers held, ascending. */
  get experts(): readonly number[] {
    return [...this.#experts.keys()].sort((a, b) => a - b);
  }

  /** Whether attention, router and embeddings are held. */
  get shared(): boolean {
    return this.#shared !== null;
  }

  /** The files that what is held lies in. */
  get files(): readonly MappedFile[] {
    return filesOf({ shared: this.#shared, experts: this.#experts });
  }

  /**
   * Loads what is not held yet. What was loaded before a failure stays. Throws what ModelSource.provide
   * throws, and `bad_config` when the session has no room.
   */
  async load({ shared, experts }: HoldingsChange, events: BuildEvents): Promise<void> {
    const missing = experts.filter((id) => !this.#experts.has(id));
    const packs: PackId[] = [...(shared && !this.shared ? (['shared'] as const) : []), ...missing];
    if (packs.length === 0) return;
    const { packFolder } = this.source;
    this.#use ??= FolderUse.register(packFolder);
    const keep = new Set([...this.#experts.keys(), ...experts]);
    await this.source.provide(packs, this.#use === null ? null : { use: this.#use, keep }, events);
    // Before the table is read: see FolderUse.
    this.#use ??= FolderUse.register(packFolder);
    await this.#attach(await openParts(packFolder, packs, this.#files, events.onProgress));
  }

  /** Releases experts of layers, which no step may need any more. Their slots may then be overwritten. */
  async drop(experts: readonly number[]): Promise<void> {
    const held = experts.filter((id) => this.#experts.has(id));
    if (held.length === 0) return;
    await this.mutex.runExclusive(() => whenIdle(() => this.session.detachExperts(held)));
    for (const id of held) this.#experts.delete(id);
    this.#files.keep(new Set(this.files));
  }

  async close(): Promise<void> {
    await this.session.close();
    this.#files.keep(new Set());
    this.#use?.release();
    this.#use = null;
    this.#shared = null;
    this.#experts.clear();
  }

  async #attach(opened: {
    readonly shared: OpenedPack | null;
    readonly experts: ReadonlyMap<number, OpenedPack>;
    readonly description: ModelSource['description'];
  }): Promise<void> {
    try {
      await this.mutex.runExclusive(() => whenIdle(() => attachPacks(this.session, opened)));
    } catch (thrown) {
      this.#files.keep(new Set(this.files));
      throw refusedByNative(thrown);
    }
    this.#shared ??= opened.shared;
    for (const [id, pack] of opened.experts) this.#experts.set(id, pack);
  }
}

async function whenIdle(task: () => void): Promise<void> {
  for (;;) {
    try {
      return task();
    } catch (thrown) {
      if (!(thrown instanceof NativeError && thrown.code === 'busy')) throw thrown;
      await delay(BUSY_MS);
    }
  }
}
