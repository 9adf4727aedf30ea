// Runs batches in the background, at one gateway at a time: lines enter the queues only while no request waits there, few at a time,
// from the tenants in turn (decision 0182). Any gateway may be killed: results and statuses are in Redis, and the next gateway runs
// the lines that have none.
import { toDomainError } from '../../infra/errors/domain-error.ts';
import { type Repeating, repeatEvery } from '../../infra/timing/repeat-every.ts';
import type { GatewayParts } from '../parts.ts';
import { BatchFeed, type FeedLine } from './batch-feed.ts';
import type { Batch, BatchStatus } from './batch-store.ts';
import { finishBatch } from './finish-batch.ts';
import { type CallApp, runLine } from './run-line.ts';
import { validateBatch } from './validate-batch.ts';

export interface BatchRunnerOptions {
  readonly parts: GatewayParts;
  readonly gatewayId: string;
  readonly call: CallApp;
  readonly onProblem: (problem: unknown) => void;
}

const ROUND_MS = 100;
/** Without a batch, one round in this many looks for one. */
const ROUNDS_A_LOOK = 10;
const LEAD_MS = 10_000;
/** Lines that enter the queue of a model between two looks at who waits there. */
const LINES_A_LOOK = 4;
/** Pause after a line that could not be run. */
const AGAIN_MS = 500;

/** Runs until stopped. Lines that run then get no result, and run again elsewhere. */
export function startBatches(options: BatchRunnerOptions): Repeating {
  const runner = new BatchRunner(options);
  const rounds = repeatEvery(ROUND_MS, () => runner.round(), options.onProblem);
  return {
    stop: async () => {
      await rounds.stop();
      await runner.stop();
    },
  };
}

class BatchRunner {
  readonly #options: BatchRunnerOptions;
  readonly #feeds = new Map<string, BatchFeed>();
  /** Work on a batch as a whole: validation, its end. */
  readonly #tasks = new Map<string, Promise<void>>();
  readonly #lines = new Set<Promise<void>>();
  #pauseUntilMs = 0;
  #idleRounds = 0;

  constructor(options: BatchRunnerOptions) {
    this.#options = options;
  }

  async round(): Promise<void> {
    const { parts, gatewayId } = this.#options;
    this.#idleRounds += 1;
    if (this.#idleRounds > ROUNDS_A_LOOK && this.#idleRounds % ROUNDS_A_LOOK !== 0) return;
    if (!(await parts.batches.lead(gatewayId, LEAD_MS))) return this.#drop(() => true);
    const open = await parts.batches.open();
    this.#drop((id) => !open.some((batch) => batch.id === id));
    if (open.length > 0) this.#idleRounds = 0;
    for (const batch of open) await this.#advance(batch);
    if (this.#feeds.size > 0 && parts.clock() >= this.#pauseUntilMs) await this.#feed();
  }

  async stop(): Promise<void> {
    this.#drop(() => true);
    await Promise.allSettled([...this.#lines, ...this.#tasks.values()]);
    await this.#options.parts.batches.resign(this.#options.gatewayId).catch(() => {});
  }

  #drop(isGone: (id: string) => boolean): void {
    for (const [id, feed] of this.#feeds) {
      if (!isGone(id)) continue;
      feed.stop();
      this.#feeds.delete(id);
    }
  }

  async #advance(batch: Batch): Promise<void> {
    const { parts } = this.#options;
    if (this.#tasks.has(batch.id)) return;
    if (batch.status === 'validating') return this.#begin(batch.id, validateBatch(parts, batch));
    if (batch.status === 'cancelling') return this.#end(batch, 'cancelled');
    if (batch.status === 'finalizing') return this.#end(batch, 'completed');
    if (parts.clock() >= batch.expiresAtMs) return this.#end(batch, 'expired');
    const feed = this.#feeds.get(batch.id);
    if (feed === undefined) this.#feeds.set(batch.id, await this.#open(batch));
    else if (feed.isOver) this.#end(batch, 'completed');
  }

  async #open(batch: Batch): Promise<BatchFeed> {
    const { batches, files, config } = this.#options.parts;
    return new BatchFeed(batch, files, await batches.done(batch.id, batch.total), config.limits.bodyBytes);
  }

  /** After the lines that run, which are stopped. */
  #end(batch: Batch, status: BatchStatus & ('completed' | 'expired' | 'cancelled')): void {
    const feed = this.#feeds.get(batch.id);
    feed?.stop();
    if (feed !== undefined && feed.running.size > 0) return;
    this.#feeds.delete(batch.id);
    this.#begin(batch.id, finishBatch(this.#options.parts, batch, status));
  }

  #begin(id: string, work: Promise<void>): void {
    const task = work.catch(this.#options.onProblem).finally(() => this.#tasks.delete(id));
    this.#tasks.set(id, task);
  }

  /** One look at the queues, and the lines that may enter them now. */
  async #feed(): Promise<void> {
    const { parts } = this.#options;
    const [waiting, served] = await Promise.all([waitingByModel(parts), this.#served()]);
    const entered = new Map<string, number>();
    for (let free = parts.config.batches.window - this.#lines.size; free > 0; free -= 1) {
      const found = await this.#nextOf(served, (model) => {
        return (waiting.get(model) ?? 0) === 0 && (entered.get(model) ?? 0) < LINES_A_LOOK;
      });
      if (found === null) return;
      entered.set(found.model, (entered.get(found.model) ?? 0) + 1);
      this.#run(found.feed, found.line);
    }
  }

  /** Tenants that are not blocked: lines of the others would fail, and hold up those behind them. */
  async #served(): Promise<ReadonlySet<string>> {
    const tenants = [...new Set([...this.#feeds.values()].map(({ batch }) => batch.tenant))];
    const policies = await Promise.all(tenants.map((tenant) => this.#options.parts.tenants.policy(tenant)));
    return new Set(tenants.filter((_, at) => policies[at]?.blocked === false));
  }

  /** The next line of the tenant with the fewest lines running; of its batches the oldest comes first. */
  async #nextOf(served: ReadonlySet<string>, mayEnter: (model: string) => boolean) {
    for (const feed of this.#inTurn(served)) {
      const line = await feed.peek();
      if (line === null) continue;
      const model = String(line.request.body['model']);
      if (mayEnter(model)) return { feed, line, model };
    }
    return null;
  }

  #inTurn(served: ReadonlySet<string>): readonly BatchFeed[] {
    const running = new Map<string, number>();
    for (const { batch, running: lines } of this.#feeds.values()) {
      running.set(batch.tenant, (running.get(batch.tenant) ?? 0) + lines.size);
    }
    const loadOf = ({ batch }: BatchFeed) => running.get(batch.tenant) ?? 0;
    const feeds = [...this.#feeds.values()].filter(({ batch }) => served.has(batch.tenant));
    return feeds.sort((left, right) => loadOf(left) - loadOf(right));
  }

  #run(feed: BatchFeed, line: FeedLine): void {
    const { signal } = feed.start(line);
    const work = this.#runLine(feed, line, signal)
      .catch((error: unknown) => {
        this.#options.onProblem(error);
        return false;
      })
      .then((hasResult) => {
        if (!hasResult && !signal.aborted) this.#pauseUntilMs = this.#options.parts.clock() + AGAIN_MS;
        feed.end(line, !hasResult);
        this.#lines.delete(work);
      });
    this.#lines.add(work);
  }

  async #runLine({ batch }: BatchFeed, line: FeedLine, signal: AbortSignal): Promise<boolean> {
    const { parts, call } = this.#options;
    const policy = await parts.tenants.policy(batch.tenant);
    if (policy.blocked) return false;
    const principal = { tenant: batch.tenant, subject: `batch:${batch.id}`, scopes: ['chat'] as const };
    // The window bounds what a batch sends; the limit per minute is for clients.
    const caller = { principal, policy: { ...policy, requestsPerMinute: 0 } };
    const result = await runLine(call, batch, line, caller, signal);
    if (result === null || signal.aborted) return false;
    await parts.batches.record(batch, result);
    return true;
  }
}

async function waitingByModel({ operations }: GatewayParts): Promise<ReadonlyMap<string, number>> {
  const waiting = new Map<string, number>();
  for (const queue of await operations.queues().catch(unknownQueues)) {
    waiting.set(queue.model, (waiting.get(queue.model) ?? 0) + queue.waiting);
  }
  return waiting;
}

function unknownQueues(error: unknown): never {
  throw toDomainError(error);
}
