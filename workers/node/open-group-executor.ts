// The leader's side of a group: executes steps with all members of the plan in force. In: plans and batches. Out: sampled
// tokens or logits, or a StepFailure that names the missing members. Membership is decided elsewhere.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { GroupPlan } from '../../infra/messages/group-plan.ts';
import type { LoadPolicy } from '../../native/load-policy.ts';
import { countExperts, nameExpert } from '../../native/model-description.ts';
import type { ModelSession, StepBatch } from '../../native/model-session.ts';
import type { StepOutput } from '../../native/row-sampling.ts';
import { EpochSignal } from '../exchange/epoch-signal.ts';
import { ExchangeLink } from '../exchange/exchange-link.ts';
import { ExchangeRoutes } from '../exchange/exchange-routes.ts';
import type { LogEntry } from '../exchange/step-log.ts';
import type { StepExecutor } from '../step/run-step.ts';
import { type GroupView, viewGroup } from './group-view.ts';
import { DEFAULT_DEADLINES, type DeadlineOptions, HopDeadline } from './hop-deadline.ts';
import { NativeSteps } from './native-steps.ts';
import type { NodeParts } from './node-parts.ts';
import { StepFailure } from './step-failure.ts';
import { type MemberStatistics, type StepSeconds, StepStatistics } from './step-statistics.ts';

export interface GroupExecutorOptions {
  /** With the shared pack and the experts of layers that the plans give this node. */
  readonly session: ModelSession;
  readonly group: string;
  readonly nodeId: string;
  readonly incarnation: string;
  /** The group's exchange. */
  readonly exchangeUrl: string;
  /** This node's own exchange, as its plan entry says; null: the group's. */
  readonly ownExchangeUrl: string | null;
  readonly deadlines?: DeadlineOptions;
  /** Who computes what; every member must be given the same. Default: the smallest largest load. */
  readonly policy?: LoadPolicy;
  /** Something was dropped or is tried again. */
  readonly onProblem?: (problem: unknown) => void;
}

/** Sums since the executor was opened, but for the suspects. */
export interface GroupObservations {
  readonly steps: number;
  readonly rows: number;
  readonly seconds: StepSeconds;
  /** By node id. */
  readonly members: ReadonlyMap<string, MemberStatistics>;
  /** Of the latest waits of a layer for all others, in ms. */
  readonly waitMs: { readonly p50: number; readonly p95: number };
  readonly sent: { readonly frames: number; readonly bytes: number };
  readonly badFrames: number;
  /** Rows given to each expert: [layers, experts]. */
  readonly routingCounts: Float64Array;
  /** Members that missed a deadline and get no more work under this plan; centralized only. */
  readonly suspects: readonly string[];
}

export interface GroupExecutor extends StepExecutor {
  /**
   * Puts a plan in force that names this process as leader, with an epoch above all before; not while a step runs. Rejects
   * with StepFailure `exchange` when the log does not take it, `no_holder` when an expert has no holder.
   */
  usePlan(plan: GroupPlan): Promise<void>;
  /**
   * As StepExecutor. Rejects with StepFailure, after which another plan must come before the next step; with DomainError
   * `fenced` when the group has a plan of another leader.
   */
  step(batch: StepBatch, output: StepOutput): Promise<void>;
  observations(): GroupObservations;
  close(): Promise<void>;
}

export function openGroupExecutor(options: GroupExecutorOptions): GroupExecutor {
  return new LeadingExecutor(options);
}

/** What belongs to the plan in force. */
interface Lead {
  readonly view: GroupView;
  readonly native: NativeSteps;
  readonly exchanges: ReadonlySet<string>;
}

const LOG_MS = 5_000;
const PING_MS = 250;

class LeadingExecutor implements GroupExecutor {
  readonly vocab: number;
  readonly #options: GroupExecutorOptions;
  readonly #link: ExchangeLink;
  readonly #epochs = new EpochSignal();
  readonly #routes = new ExchangeRoutes();
  readonly #deadline: HopDeadline;
  readonly #statistics = new StepStatistics();
  #lead: Lead | null = null;
  #step = 0;
  /** Of the plan in force, or about to be. */
  #epoch = 0;
  /** Another leader has published a newer plan. */
  #superseded = false;

  constructor(options: GroupExecutorOptions) {
    this.#options = options;
    this.vocab = options.session.description.vocab;
    this.#deadline = new HopDeadline(options.deadlines ?? DEFAULT_DEADLINES);
    this.#link = new ExchangeLink(options, {
      onLog: (entry) => this.#onLog(entry),
      onProblem: (problem) => options.onProblem?.(problem),
    });
  }

  async usePlan(plan: GroupPlan): Promise<void> {
    const { session } = this.#options;
    const view = viewGroup(plan, this.#options, countExperts(session.description));
    if (view === null || view.me !== view.leader) throw new TypeError('The plan does not name this process as leader.');
    const orphan = view.holders.findIndex((holders) => holders.length === 0);
    if (orphan !== -1)
      throw new StepFailure('no_holder', `No member of the plan holds ${nameExpert(session.description, orphan)}.`);
    this.#epoch = plan.epoch;
    this.#superseded = false;
    this.#step = 0;
    this.#epochs.begin();
    const native = await NativeSteps.open(this.#node(), view, this.#options);
    this.#link.followLog();
    const exchanges = this.#link.exchangesOf(plan);
    await this.#publish(plan, exchanges);
    this.#lead = { view, exchanges, native };
  }

  async step(batch: StepBatch, output: StepOutput): Promise<void> {
    const lead = this.#lead;
    if (lead === null) throw new StepFailure('exchange', 'No plan is in force.');
    if (this.#superseded) throw this.#fenced();
    const startedMs = performance.now();
    this.#step += 1;
    try {
      await this.#execute(lead, batch, output);
    } catch (thrown) {
      this.#lead = null;
      throw await this.#explain(thrown);
    }
    this.#statistics.steps += 1;
    this.#statistics.rows += batch.tokens.length;
    this.#statistics.seconds.total += (performance.now() - startedMs) / 1e3;
  }

  observations(): GroupObservations {
    const { steps, rows, seconds, badFrames } = this.#statistics;
    return {
      steps,
      rows,
      seconds: { ...seconds },
      members: this.#statistics.members(),
      waitMs: this.#statistics.waitPercentiles(),
      sent: { frames: this.#statistics.framesSent, bytes: this.#statistics.bytesSent },
      badFrames,
      routingCounts: this.#options.session.routingCounts(),
      suspects: this.#lead?.native.suspects ?? [],
    };
  }

  async close(): Promise<void> {
    this.#epochs.interrupt(new DomainError('cancelled', 'The executor is closed.'));
    await this.#link.close();
    await this.#routes.close();
  }

  async #execute({ view, exchanges, native }: Lead, batch: StepBatch, output: StepOutput): Promise<void> {
    const { epoch, members, topology } = view.plan;
    if (members.length === 1) return this.#options.session.step(batch, output);
    const step = this.#step;
    if (topology === 'decentralized') {
      // The write is not awaited: a follower that does not receive the step misses its deadline.
      const entry = { kind: 'step', epoch, step, job: batch } as const;
      this.#link.appendLog(entry, exchanges).catch((problem) => this.#epochs.interrupt(refusedLog(problem)));
    }
    return native.run(step, batch, output, { deadline: this.#deadline, statistics: this.#statistics });
  }

  #node(): NodeParts {
    return { session: this.#options.session, link: this.#link, epochs: this.#epochs, routes: this.#routes };
  }

  /** Rejects with StepFailure `exchange`, also when there is no answer for long. */
  async #publish(plan: GroupPlan, exchanges: ReadonlySet<string>): Promise<void> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), LOG_MS);
    const lateness = new Promise<never>((_, reject) => {
      late.signal.addEventListener('abort', () => reject(new Error('no answer')));
    });
    try {
      await Promise.race([this.#link.appendLog({ kind: 'plan', plan }, exchanges), lateness]);
    } catch (cause) {
      throw refusedLog(cause);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Members that are late because the exchange is unreachable are not suspected. */
  async #explain(thrown: unknown): Promise<unknown> {
    if (this.#superseded) return this.#fenced();
    const late = thrown instanceof StepFailure && (thrown.reason === 'deadline' || thrown.reason === 'no_holder');
    if (!late || (await this.#link.answers(PING_MS))) return thrown;
    return new StepFailure('exchange', 'The exchange does not answer.', [], thrown);
  }

  #onLog(entry: LogEntry): void {
    if (entry.kind !== 'plan' || entry.plan.epoch <= this.#epoch) return;
    this.#superseded = true;
    this.#epochs.interrupt(this.#fenced());
  }

  #fenced(): DomainError {
    return new DomainError('fenced', `Another process leads group ${this.#options.group} now.`);
  }
}

function refusedLog(cause: unknown): StepFailure {
  return new StepFailure('exchange', 'The exchange takes no entries of the step log.', [], cause);
}
