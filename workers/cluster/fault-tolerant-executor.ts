// Executes steps on a group while nodes join, leave and die. In: batches. Out: sampled tokens or logits, computed under the
// current plan. A failed step is repeated under the next plan until it succeeds.
import { setTimeout as delay } from 'node:timers/promises';
import { DomainError, toDomainError } from '../../infra/errors/domain-error.ts';
import type { Logger } from '../../infra/log/logger.ts';
import type { GroupPlan } from '../../infra/messages/group-plan.ts';
import type { Mutex } from '../../infra/timing/mutex.ts';
import { type Repeating, repeatEvery } from '../../infra/timing/repeat-every.ts';
import type { ModelDescription } from '../../native/model-description.ts';
import type { StepBatch } from '../../native/model-session.ts';
import type { StepOutput } from '../../native/row-sampling.ts';
import { StepFailure } from '../node/step-failure.ts';
import { KvLost, StepDeferred, type StepExecutor } from '../step/run-step.ts';
import type { PlanChoice, PlannedGroup } from './choose-plan.ts';
import { KvCoverage } from './kv-coverage.ts';
import type { HeldLease } from './lease.ts';
import { nameExperts } from './name-experts.ts';
import type { PlanAuthor } from './plan-author.ts';

export interface FaultTolerantExecutorParts {
  readonly author: PlanAuthor;
  readonly lease: HeldLease;
  readonly model: ModelDescription;
  /** Steps and changes of the session exclude each other. */
  readonly mutex: Mutex;
  /** What runs steps under a plan from now on. Rejects with StepFailure when it cannot be reached. */
  readonly executorFor: (plan: GroupPlan) => Promise<StepExecutor>;
  /** Throws DomainError when the executor computes something else than a single node does. */
  readonly check: (executor: StepExecutor, plan: GroupPlan) => Promise<void>;
  /** Called with what the group waits for, in a sentence for operators; '' if it can compute. */
  readonly onWait: (what: string) => void;
  /** Members that recent steps did not need; read between steps. */
  readonly late: () => readonly string[];
  /** Abort this to stop waiting for steps; a DomainError as its reason is thrown. */
  readonly giveUp: AbortSignal;
  readonly log: Logger;
}

const POLL_MS = 500;
/** A step that waits longer for a plan is given back: whose it is may have been cancelled. */
const DEFER_MS = 250;
/** Between two looks of a step that waits. */
const WAITING_POLL_MS = 20;
/** After a plan that could not be put to work, doubled with each one in a row. */
const FIRST_PAUSE_MS = 20;
const MAX_PAUSE_MS = 2_000;
/** A wait longer than this is worth a line in the log. */
const LOGGED_WAIT_MS = 1_000;

export class FaultTolerantExecutor implements StepExecutor {
  readonly vocab: number;
  readonly #parts: FaultTolerantExecutorParts;
  readonly #kv = new KvCoverage();
  readonly #looking: Repeating;
  #looks: Promise<void> = Promise.resolve();
  #executor: StepExecutor | null = null;
  #kvLost = false;
  #failedPlans = 0;
  #pausedUntilMs = 0;
  /** Since when nothing can be computed; null while it can. */
  #stoppedAtMs: number | null = null;
  #waitsFor = '';

  constructor(parts: FaultTolerantExecutorParts) {
    this.vocab = parts.model.vocab;
    this.#parts = parts;
    this.#looking = repeatEvery(
      POLL_MS,
      () => this.#look(''),
      (problem) => this.#stuck(problem),
    );
  }

  /** Resolves when steps can run. Throws `fenced` if the lease is lost first, `cancelled` if `giveUp` is aborted. */
  async formed(): Promise<void> {
    await this.#change('');
  }

  /**
   * Runs the batch under the plan in force, and again under the next one where that fails. Throws KvLost when earlier positions
   * have to be computed again first, StepDeferred when no plan has come for a while, `fenced` when the lease is lost,
   * `cancelled` if `giveUp` is aborted.
   */
  async step(batch: StepBatch, output: StepOutput): Promise<void> {
    const deferAtMs = performance.now() + DEFER_MS;
    for (;;) {
      if (this.#executor === null) await this.#change('', [], deferAtMs);
      const failure = await this.#parts.mutex.runExclusive(() => this.#try(batch, output));
      if (failure === null) return;
      this.#parts.log.warn({ err: failure, lost: failure.lost }, 'a step failed and is repeated');
      this.#parts.author.suspect(failure.lost);
      await this.#change(failure.message, failure.lost, deferAtMs);
    }
  }

  async close(): Promise<void> {
    await this.#looking.stop();
    await this.#looks;
  }

  async #try(batch: StepBatch, output: StepOutput): Promise<StepFailure | null> {
    const { active } = this.#parts.author;
    if (active === null || this.#executor === null) return new StepFailure('no_holder', 'The group has no plan.');
    if (this.#kvLost) {
      this.#kvLost = false;
      this.#kv.forget();
      throw new KvLost();
    }
    this.#kv.advance(active);
    return failureOf(this.#executor.step(batch, output));
  }

  /** Looks until another plan is in force, at most until `deferAtMs`. `because` is why the present one cannot stay. */
  async #change(because: string, without: readonly string[] = [], deferAtMs = Number.POSITIVE_INFINITY): Promise<void> {
    this.#stoppedAtMs ??= performance.now();
    this.#executor = null;
    // A look that began before may be about to put a plan in force: possibly the right one.
    await this.#looks;
    if (this.#parts.author.active?.members.some(({ id }) => without.includes(id)) === true) this.#executor = null;
    while (this.#executor === null) {
      this.#throwIfOver();
      await this.#look(because).catch((problem: unknown) => this.#stuck(problem));
      if (this.#executor !== null) break;
      if (performance.now() > deferAtMs) throw new StepDeferred(this.#waitsFor);
      await delay(WAITING_POLL_MS);
    }
    const waitedMs = performance.now() - this.#stoppedAtMs;
    this.#stoppedAtMs = null;
    if (waitedMs > LOGGED_WAIT_MS) this.#parts.log.info({ waitedMs }, 'the group computes again');
  }

  /** One look at a time; puts a better plan in force. */
  #look(because: string): Promise<void> {
    const look = this.#looks.then(async () => {
      if (performance.now() < this.#pausedUntilMs) return;
      const { author, mutex, late } = this.#parts;
      author.suspect(await mutex.runExclusive(async () => late()));
      const choice = await author.look();
      if (choice.kind === 'wait') return this.#wait(choice);
      if (choice.changes === '' && this.#executor !== null) return this.#say('');
      const reason = [because, choice.changes].filter((text) => text !== '').join('; ');
      await this.#parts.mutex.runExclusive(() => this.#activate(choice.plan, reason));
    });
    this.#looks = look.catch(() => {});
    return look;
  }

  async #activate(planned: PlannedGroup, reason: string): Promise<void> {
    const { author, executorFor, check, log } = this.#parts;
    const plan = await author.publish(planned, reason);
    if (!this.#kv.allows(plan)) this.#kvLost = true;
    this.#executor = null;
    try {
      const executor = await executorFor(plan);
      await check(executor, plan);
      this.#executor = executor;
    } catch (thrown) {
      this.#refuse(plan, thrown);
      throw thrown;
    }
    this.#failedPlans = 0;
    this.#say('');
    const members = plan.members.map(({ id, experts }) => `${id}: ${experts.length} experts of layers`);
    log.info({ epoch: plan.epoch, topology: plan.topology, members, reason }, 'a plan is in force');
  }

  // Lost members are left out. Which member computes wrongly is unknown: the leader continues alone, if it holds enough.
  #refuse({ leader, members }: GroupPlan, thrown: unknown): void {
    const others = members.map(({ id }) => id).filter((id) => id !== leader);
    this.#parts.author.suspect(thrown instanceof StepFailure ? thrown.lost : others);
    const pauseMs = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failedPlans);
    this.#failedPlans += 1;
    this.#pausedUntilMs = performance.now() + pauseMs;
  }

  // A plan whose member is missing stays in use until a step needs what that member holds.
  #wait({ missing, lacksShared }: Extract<PlanChoice, { kind: 'wait' }>): void {
    if (this.#executor !== null) return;
    const what = lacksShared
      ? 'the leader to load attention'
      : `a node to load ${nameExperts(this.#parts.model, missing)}`;
    this.#say(`waits for ${what}`);
  }

  #stuck(problem: unknown): void {
    const message = problem instanceof StepFailure ? problem.message : toDomainError(problem).message;
    // While steps run, what went wrong here is tried again at the next look.
    if (this.#executor === null) this.#say(message);
  }

  #say(waitsFor: string): void {
    if (waitsFor === this.#waitsFor) return;
    this.#waitsFor = waitsFor;
    this.#parts.onWait(waitsFor);
    if (waitsFor !== '') this.#parts.log.warn(waitsFor);
  }

  #throwIfOver(): void {
    this.#parts.lease.fence();
    const { aborted, reason } = this.#parts.giveUp;
    if (aborted && reason instanceof DomainError) throw reason;
    if (aborted) throw new DomainError('cancelled', 'The group stops before it could compute.');
  }
}

/** Null when it worked; other failures than those of steps are thrown. */
async function failureOf(work: Promise<void>): Promise<StepFailure | null> {
  try {
    await work;
    return null;
  } catch (thrown) {
    if (thrown instanceof StepFailure) return thrown;
    throw thrown;
  }
}
