// What of the model this node holds: weights mapped and attached to its session. In: what it is to hold. Out: a session with
// that attached. Experts of layers come and go between steps; steps never wait for loading.
import { setTimeout as delay } from 'node:timers/promises';
import { Mutex } from '../../infra/timing/mutex.ts';
import type { MappedFile } from '../../native/mapped-file.ts';
import { placeOfExpert } from '../../native/model-description.ts';
import type { ModelSession } from '../../native/model-session.ts';
import { NativeError } from '../../native/native-error.ts';
import type { ModelSource } from '../model/model-source.ts';
import { refusedByNative } from '../model/native-failures.ts';
import type { BuildEvents } from '../pack/build-packs.ts';
import { type OpenedPacks, openPacks } from '../pack/open-packs.ts';
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
  /** Mutex for exclusive use of the session: by a leader for each step, by loading for each pack. */
  readonly mutex = new Mutex();
  readonly #open = new Map<PackId, OpenedPacks>();
  readonly #experts = new Set<number>();

  /** `session` has nothing attached yet. */
  constructor(source: ModelSource, session: ModelSession) {
    this.source = source;
    this.session = session;
  }

  /** Ids of the experts of layers held, ascending. */
  get experts(): readonly number[] {
    return [...this.#experts].sort((a, b) => a - b);
  }

  /** Whether attention, router and embeddings are held. */
  get shared(): boolean {
    return this.#open.has('shared');
  }

  /** Files of the packs held. */
  get files(): readonly MappedFile[] {
    return [...this.#open.values()].flatMap(({ shared, experts }) => [
      ...(shared === null ? [] : [shared.file]),
      ...[...experts.values()].map(({ file }) => file),
    ]);
  }

  /**
   * Loads what is not held yet. What was loaded before a failure stays. Throws what ModelSource.provide
   * throws, and `bad_config` when the session has no room.
   */
  async load({ shared, experts }: HoldingsChange, events: BuildEvents): Promise<void> {
    const missing = experts.filter((id) => !this.#experts.has(id));
    const byPack = new Map<PackId, number[]>();
    for (const id of missing) byPack.set(this.#packOf(id), [...(byPack.get(this.#packOf(id)) ?? []), id]);
    const packs: PackId[] = [...(shared && !this.shared ? (['shared'] as const) : []), ...byPack.keys()];
    await this.source.provide(
      packs.filter((pack) => !this.#open.has(pack)),
      events,
    );
    for (const pack of packs) {
      const opened = this.#open.get(pack) ?? (await openPacks(this.source.packFolder, [pack], events.onProgress));
      await this.#attach(pack, opened, byPack.get(pack) ?? []);
    }
  }

  /** Releases experts of layers, which no step may need any more. */
  async drop(experts: readonly number[]): Promise<void> {
    const held = experts.filter((id) => this.#experts.has(id));
    if (held.length === 0) return;
    await this.mutex.runExclusive(() => whenIdle(() => this.session.detachExperts(held)));
    for (const id of held) this.#experts.delete(id);
    const used = new Set([...this.#experts].map((id) => this.#packOf(id)));
    for (const [pack, opened] of this.#open) {
      if (pack === 'shared' || used.has(pack)) continue;
      this.#open.delete(pack);
      opened.close();
    }
  }

  async close(): Promise<void> {
    await this.session.close();
    for (const opened of this.#open.values()) opened.close();
    this.#open.clear();
  }

  async #attach(pack: PackId, opened: OpenedPacks, ids: readonly number[]): Promise<void> {
    const layers = new Set(ids.map((id) => placeOfExpert(this.source.description, id).layer));
    const attach = (): void => {
      if (opened.shared !== null) this.session.attach(opened.shared.file, opened.shared.sections);
      for (const { file, sections } of opened.experts.values()) {
        this.session.attach(
          file,
          sections.filter(({ layer }) => layer !== null && layers.has(layer)),
        );
      }
    };
    try {
      await this.mutex.runExclusive(() => whenIdle(attach));
    } catch (thrown) {
      if (!this.#open.has(pack)) opened.close();
      throw refusedByNative(thrown);
    }
    this.#open.set(pack, opened);
    for (const id of ids) this.#experts.add(id);
  }

  #packOf(id: number): number {
    return placeOfExpert(this.source.description, id).expert;
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
