// A session on the best backend that takes the model. A backend may refuse to open, or open and find no room for the weights:
// then the next one gets everything, as long as nothing has been computed. In: backends, best first. Out: the session in use.
import type { Backend } from './choose-backend.ts';
import { toNativeError } from './native-error.ts';

export interface FallbackParts<Session> {
  /** Best first, at least one. */
  readonly backends: readonly Backend[];
  readonly open: (backend: Backend) => Session;
  /** Told of every backend that is given up. */
  readonly warn: (message: string) => void;
}

export class FallbackSession<Session extends { close(): Promise<void> }> {
  readonly #parts: FallbackParts<Session>;
  /** Index of the backend in use. */
  #at = 0;
  #session: Session;
  #used = false;
  readonly #attached = new Set<(session: Session) => void>();

  /** Throws the last backend's error when none opens. */
  constructor(parts: FallbackParts<Session>) {
    this.#parts = parts;
    this.#session = this.#open();
  }

  get backend(): Backend {
    return this.#parts.backends[this.#at] ?? 'cpu';
  }

  /** For everything but computing and attaching. */
  get session(): Session {
    return this.#session;
  }

  /** For computing: from now on the backend stays. */
  use(): Session {
    this.#used = true;
    return this.#session;
  }

  /**
   * Attaches weights, to the next backend where this one has no room for them. `attach` is called again for a backend that
   * replaces this one. Throws the last one's error.
   */
  attach(attach: (session: Session) => void): void {
    try {
      attach(this.#session);
      this.#attached.add(attach);
    } catch (thrown) {
      if (!this.#mayFallBack(thrown)) throw thrown;
      this.#fallBack(thrown);
      this.attach(attach);
    }
  }

  /** `attach` is not to be called again. */
  forget(attach: (session: Session) => void): void {
    this.#attached.delete(attach);
  }

  #open(): Session {
    try {
      return this.#parts.open(this.backend);
    } catch (thrown) {
      if (this.#isLast()) throw thrown;
      this.#giveUp(thrown);
      return this.#open();
    }
  }

  #mayFallBack(thrown: unknown): boolean {
    const { code } = toNativeError(thrown);
    return !this.#isLast() && !this.#used && (code === 'out_of_memory' || code === 'unavailable');
  }

  #fallBack(thrown: unknown): void {
    // Nothing computes: it closes at once.
    void this.#session.close();
    this.#giveUp(thrown);
    this.#session = this.#open();
    const attached = [...this.#attached];
    this.#attached.clear();
    for (const attach of attached) this.attach(attach);
  }

  #isLast(): boolean {
    return this.#at + 1 >= this.#parts.backends.length;
  }

  #giveUp(thrown: unknown): void {
    const given = this.backend;
    this.#at += 1;
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    this.#parts.warn(`Backend ${given} cannot be used (${reason}). Falling back to ${this.backend}.`);
  }
}
