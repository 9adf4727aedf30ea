// What of the model this node holds: packs mapped and attached to its session. In: what it is to hold. Out: a session with
// that attached. Packs come and go between steps; steps never wait for loading.
import { setTimeout as delay } from 'node:timers/promises';
import { Mutex } from '../../infra/timing/mutex.ts';
import type { MappedFile } from '../../native/mapped-file.ts';
import type { ModelSession } from '../../native/model-session.ts';
import { NativeError } from '../../native/native-error.ts';
import type { ModelSource } from '../model/model-source.ts';
import { refusedByNative } from '../model/native-failures.ts';
import type { BuildEvents } from '../pack/build-packs.ts';
import { type OpenedPacks, openPacks } from '../pack/open-packs.ts';
import type { PackId } from '../pack/pack-format.ts';

/** A member's session is busy for parts of steps only: it is asked again so much later. */
const BUSY_MS = 1;

export class LoadedModel {
  readonly source: ModelSource;
  readonly session: ModelSession;
  /** Mutex for exclusive use of the session: by a leader for each step, by loading for each pack. */
  readonly mutex = new Mutex();
  readonly #open = new Map<PackId, OpenedPacks>();

  /** `session` has nothing attached yet. */
  constructor(source: ModelSource, session: ModelSession) {
    this.source = source;
    this.session = session;
  }

  /** Experts held, ascending. */
  get experts(): readonly number[] {
    return [...this.#open.keys()].filter((pack) => pack !== 'shared').sort((a, b) => a - b);
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
  async load(packs: readonly PackId[], events: BuildEvents): Promise<void> {
    const missing = packs.filter((pack) => !this.#open.has(pack));
    if (missing.length === 0) return;
    await this.source.provide(missing, events);
    // One by one, so that each can be released alone.
    for (const pack of missing) {
      await this.#attach(pack, await openPacks(this.source.packFolder, [pack], events.onProgress));
    }
  }

  /** Releases packs, which no step may need any more. */
  async drop(packs: readonly PackId[]): Promise<void> {
    for (const pack of packs) {
      const opened = this.#open.get(pack);
      if (opened === undefined || pack === 'shared') continue;
      await this.mutex.runExclusive(() => whenIdle(() => this.session.detachExpert(pack)));
      this.#open.delete(pack);
      opened.close();
    }
  }

  async close(): Promise<void> {
    await this.session.close();
    for (const opened of this.#open.values()) opened.close();
    this.#open.clear();
  }

  async #attach(pack: PackId, opened: OpenedPacks): Promise<void> {
    const attach = (): void => {
      if (opened.shared !== null) this.session.attach('shared', opened.shared.file, opened.shared.sections);
      for (const [expert, { file, sections }] of opened.experts) this.session.attach(expert, file, sections);
    };
    try {
      await this.mutex.runExclusive(() => whenIdle(attach));
    } catch (thrown) {
      opened.close();
      throw refusedByNative(thrown);
    }
    this.#open.set(pack, opened);
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
