// Fair dispatch as a pure model: what the Lua scripts must do, and the claim about it. Used as an oracle.

export interface FairJob {
  readonly queue: string;
  readonly reserved: number;
  used: number;
}

interface FairQueue {
  counter: number;
  readonly weight: number;
  readonly waiting: FairJob[];
}

/** Virtual token counters: the waiting queue with the smallest counter is next. */
export class FairModel {
  readonly #queues = new Map<string, FairQueue>();
  /** Largest counter at which a queue was picked. */
  #virtualTime = 0;

  addQueue(name: string, weight: number): void {
    this.#queues.set(name, { counter: 0, weight, waiting: [] });
  }

  isWaiting(name: string): boolean {
    return this.#of(name).waiting.length > 0;
  }

  enqueue(job: FairJob): void {
    const queue = this.#of(job.queue);
    if (queue.waiting.length === 0) queue.counter = Math.max(queue.counter, this.#virtualTime);
    queue.waiting.push(job);
  }

  take(): FairJob | null {
    const ready = [...this.#queues].filter(([, { waiting }]) => waiting.length > 0);
    const [first] = ready.sort(([a, one], [b, other]) => one.counter - other.counter || (a < b ? -1 : 1));
    const job = first?.[1].waiting.shift();
    if (first === undefined || job === undefined) return null;
    this.#virtualTime = Math.max(this.#virtualTime, first[1].counter);
    first[1].counter += job.reserved / first[1].weight;
    return job;
  }

  settle(job: FairJob): void {
    const queue = this.#of(job.queue);
    queue.counter -= (job.reserved - job.used) / queue.weight;
  }

  #of(name: string): FairQueue {
    const queue = this.#queues.get(name);
    if (queue === undefined) throw new Error(`no queue ${name}`);
    return queue;
  }
}

/**
 * The claim: while two queues both have requests waiting, the tokens served to them per weight differ by at most
 * (slots + 1) x the sum of their largest reservations per weight. Watches a run and keeps the worst case.
 */
export class FairnessWitness {
  readonly #served = new Map<string, number>();
  readonly #largest = new Map<string, number>();
  readonly #ranges = new Map<string, { low: number; high: number }>();
  readonly #slots: number;
  readonly #weights: ReadonlyMap<string, number>;

  constructor(slots: number, weights: ReadonlyMap<string, number>) {
    this.#slots = slots;
    this.#weights = weights;
  }

  reserve(queue: string, tokens: number): void {
    this.#largest.set(queue, Math.max(this.#largest.get(queue) ?? 0, tokens / (this.#weights.get(queue) ?? 1)));
  }

  serve(queue: string, tokens: number): void {
    this.#served.set(queue, (this.#served.get(queue) ?? 0) + tokens / (this.#weights.get(queue) ?? 1));
  }

  /** Call after every event with the queues that have requests waiting. Returns a broken pair, or null. */
  check(waiting: ReadonlySet<string>): string | null {
    const names = [...this.#weights.keys()];
    for (const [index, a] of names.entries()) {
      for (const b of names.slice(index + 1)) {
        const broken = this.#checkPair(a, b, waiting.has(a) && waiting.has(b));
        if (broken !== null) return broken;
      }
    }
    return null;
  }

  #checkPair(a: string, b: string, both: boolean): string | null {
    const pair = `${a} ${b}`;
    if (!both) {
      this.#ranges.delete(pair);
      return null;
    }
    const difference = (this.#served.get(a) ?? 0) - (this.#served.get(b) ?? 0);
    const range = this.#ranges.get(pair) ?? { low: difference, high: difference };
    const wider = { low: Math.min(range.low, difference), high: Math.max(range.high, difference) };
    this.#ranges.set(pair, wider);
    const bound = (this.#slots + 1) * ((this.#largest.get(a) ?? 0) + (this.#largest.get(b) ?? 0));
    return wider.high - wider.low > bound + 1e-6 ? `${pair}: ${wider.high - wider.low} > ${bound}` : null;
  }
}
