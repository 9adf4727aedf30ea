// Jobs that a group was handed while it waited: heard over the subscription, or found in Redis after that was interrupted. In:
// the subscription. Out: requests, each once.
import { keyOf } from '../../infra/redis/keys.ts';
import { askRedis } from '../../infra/redis/script-errors.ts';
import { recoverGenerations } from './recover-generations.ts';
import { acceptJob, type TakeParts } from './take-next.ts';
import type { TakenGeneration } from './taken-generation.ts';
import type { WakeSignal } from './wake-signal.ts';

export class AssignedJobs {
  readonly #parts: TakeParts;
  readonly #wake: WakeSignal;
  readonly #arrived: TakenGeneration[] = [];

  constructor(parts: TakeParts, wake: WakeSignal) {
    this.#parts = parts;
    this.#wake = wake;
  }

  /** The next one, or null. */
  async next(): Promise<TakenGeneration | null> {
    await this.#collect();
    return this.#arrived.shift() ?? null;
  }

  /**
   * Waits for none any more, and gives back those that were not taken. One that is on its way goes to the group's next leader,
   * or back to its queue when its lock runs out. Throws `fenced`.
   */
  async refuse(): Promise<void> {
    const { redis, model, group, owned } = this.#parts;
    await askRedis(redis.hdel(keyOf('idle', model), group));
    await this.#collect();
    for (const { request } of this.#arrived.splice(0)) await owned.release(request.id);
  }

  // What was heard is owned before it is looked for what was not heard, so that nothing is found twice.
  async #collect(): Promise<void> {
    for (let job = this.#wake.takeAssigned(); job !== null; job = this.#wake.takeAssigned()) {
      const taken = this.#parts.owned.has(String(job[2])) ? null : await acceptJob(this.#parts, job);
      if (taken !== null) this.#arrived.push(taken);
    }
    if (this.#wake.takeInterrupted()) this.#arrived.push(...(await recoverGenerations(this.#parts, false)));
  }
}
