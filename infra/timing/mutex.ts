// Tasks that must not run at the same time, each in its turn.

export class Mutex {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `task` when all given before have settled; settles as it does. */
  runExclusive<Result>(task: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(task);
    // Its failure is its caller's; the next one runs all the same.
    this.#last = result.catch(() => {});
    return result;
  }
}
