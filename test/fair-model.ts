// Fair dispatch as a pure model: what the Lua scripts must do, and the claim about it. Used as an oracle.
import { REBASE_ABOVE } from '../infra/redis/fair-limits.ts';
import { whoGivesWay } from '../workers/scheduler/who-gives-way.ts';

export interface FairJob {
  readonly queue: string;
  readonly reserved: number;
  used: number;
  /** Its queue was charged what it reserves. */
  isCharged?: boolean;
}

interface FairQueue {
  counter: number;
  weight: number;
  readonly waiting: FairJob[];
}

/** Virtual token counters: the waiting queue with the smallest counter is next. */
export class FairModel {
  readonly #queues = new Map<string, FairQueue>();
  /** Largest counter at which a queue was picked. */
  #virtualTime: number;

  /** `startAt`: the virtual time after a history of that many tokens over weight. */
  constructor(startAt = 0) {
    this.#virtualTime = startAt;
  }

  addQueue(name: string, weight: number): void {
    this.#queues.set(name, { counter: 0, weight, waiting: [] });
  }

  /** What a queue is ahead or behind stays the same in tokens. */
  reweigh(name: string, weight: number): void {
    const queue = this.#of(name);
    const ahead = queue.counter - this.#virtualTime;
    const kept = queue.waiting.length > 0 ? ahead : Math.max(0, ahead);
    if (queue.weight !== weight) queue.counter = this.#virtualTime + (kept * queue.weight) / weight;
    queue.weight = weight;
  }

  /** The largest magnitude of any number that dispatch keeps. */
  largest(): number {
    return Math.max(this.#virtualTime, ...[...this.#queues.values()].map(({ counter }) => Math.abs(counter)));
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
    this.#rebase();
    const queue = this.#next()?.[1];
    const job = queue?.waiting.shift();
    if (queue === undefined || job === undefined) return null;
    if (job.isCharged === true) return job;
    this.#virtualTime = Math.max(this.#virtualTime, queue.counter);
    queue.counter += job.reserved / queue.weight;
    job.isCharged = true;
    return job;
  }

  /** Puts a job that was taken back to the front of its queue. */
  giveBack(job: FairJob): void {
    const queue = this.#of(job.queue);
    if (queue.waiting.length === 0) queue.counter = Math.max(queue.counter, this.#virtualTime);
    queue.waiting.unshift(job);
  }

  /** Of `running`, what gives way to the next in line when all `slots` are taken; in this order. */
  whoGivesWay<Job extends FairJob>(running: readonly Job[], slots: number): readonly Job[] {
    const [queue, { weight, counter }] = this.#next() ?? ['', { weight: 1, counter: 0 }];
    const holdings = running.map((job, index) => {
      const of = this.#of(job.queue);
      const isLater = counter < of.counter || (counter === of.counter && queue < job.queue);
      return { id: String(index), queue: job.queue, weight: of.weight, isLater, amount: 1 };
    });
    if (queue === '' || running.length < slots) return [];
    const leaving = whoGivesWay({ queue, weight, amount: 1, lacking: 1 }, holdings, slots);
    return leaving.flatMap((id) => running[Number(id)] ?? []);
  }

  #next(): [string, FairQueue] | undefined {
    const ready = [...this.#queues].filter(([, { waiting }]) => waiting.length > 0);
    return ready.sort(([a, one], [b, other]) => one.counter - other.counter || (a < b ? -1 : 1))[0];
  }

  settle(job: FairJob): void {
    const queue = this.#of(job.queue);
    queue.counter -= (job.reserved - job.used) / queue.weight;
  }

  #rebase(): void {
    const queues = [...this.#queues.values()];
    const smallest = Math.min(...queues.flatMap(({ counter, waiting }) => (waiting.length > 0 ? [counter] : [])));
    const base = Math.min(smallest, this.#virtualTime);
    if (base <= REBASE_ABOVE) return;
    for (const queue of queues) {
      const kept = queue.waiting.length > 0 || queue.counter > this.#virtualTime;
      queue.counter = kept ? queue.counter - base : 0;
    }
    this.#virtualTime -= base;
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
export class FairnessMonitor {
  readonly #served = new Map<string, number>();
  /** Of each queue, in tokens. */
  readonly #largest = new Map<string, number>();
  readonly #ranges = new Map<string, { low: number; high: number }>();
  readonly #slots: number;
  readonly #weights: Map<string, number>;

  constructor(slots: number, weights: ReadonlyMap<string, number>) {
    this.#slots = slots;
    this.#weights = new Map(weights);
  }

  reserve(queue: string, tokens: number): void {
    this.#largest.set(queue, Math.max(this.#largest.get(queue) ?? 0, tokens));
  }

  /** The claim is about constant weights: it starts again for this queue's pairs. */
  reweigh(queue: string, weight: number): void {
    this.#weights.set(queue, weight);
    for (const pair of this.#ranges.keys()) if (pair.split(' ').includes(queue)) this.#ranges.delete(pair);
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
    const largest = (queue: string) => (this.#largest.get(queue) ?? 0) / (this.#weights.get(queue) ?? 1);
    const bound = (this.#slots + 1) * (largest(a) + largest(b));
    return wider.high - wider.low > bound * (1 + 1e-9) + 1e-6 ? `${pair}: ${wider.high - wider.low} > ${bound}` : null;
  }
}
