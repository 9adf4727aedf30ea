// Whether an epoch of a group is still in force: what runs under its plan ends with its signal. Pure.

/** Why what runs under a plan ends when the group has a newer one. */
export class Superseded extends Error {
  constructor() {
    super('A newer plan of the group is in force.');
    this.name = 'Superseded';
  }
}

export class EpochSignal {
  #over = new AbortController();

  /** Of the epoch in force; its reason is why it was interrupted. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** Ends what runs in this epoch, and all that begins in it: the node may be computing just now. */
  interrupt(reason: unknown): void {
    this.#over.abort(reason);
  }

  /** A plan is in force: what ran under the one before ends. */
  begin(): void {
    this.interrupt(new Superseded());
    this.#over = new AbortController();
  }
}
