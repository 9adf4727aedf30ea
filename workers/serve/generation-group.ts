// The generations that a group runs: admits requests from the queue, runs steps, publishes what they yield, ends what is
// finished, cancelled or failed. All of its state can be rebuilt from Redis.
import { DomainError, toDomainError } from '../../infra/errors/domain-error.ts';
import type { GenerationRequest } from '../../infra/messages/generation-request.ts';
import type { TokensEvent } from '../../infra/messages/token-event.ts';
import type { FinishReason } from '../../infra/queue/finish-generation.ts';
import type { Tokenizer } from '../../infra/tokenizer/tokenizer.ts';
import { type Choice, echoPrompt, Generation } from '../generation/generation.ts';
import type { CancelSignals } from '../queue/cancel-signals.ts';
import type { GenerationSource } from '../queue/generation-source.ts';
import type { TakenGeneration } from '../queue/taken-generation.ts';
import type { CompileConstraint } from '../sampler/constraint-compiler.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import type { Sequence } from '../scheduler/sequence.ts';
import { runStep, type StepExecutor, type StepResult } from '../step/run-step.ts';
import type { GeneratedToken } from '../step/sample-rows.ts';
import type { TokenAppend, TokenWriter } from '../tokens/append-tokens.ts';
import { findWhoLeaves } from './make-room.ts';
import { type Ending, StepPublisher } from './step-publisher.ts';

export interface GroupParts {
  readonly source: GenerationSource;
  readonly cancels: CancelSignals;
  readonly writer: TokenWriter;
  readonly scheduler: Scheduler;
  readonly executor: StepExecutor;
  readonly tokenizer: Tokenizer;
  readonly compileConstraint: CompileConstraint;
  /** Token entries already published for a request. */
  readonly readPublished: (id: string) => Promise<readonly TokensEvent[]>;
  /** Requests taken from the queue at once; beyond them the queue keeps the order fair. */
  readonly maxGenerations: number;
  /** Least time between two writes of tokens, in ms (AppendBuffer). */
  readonly eventIntervalMs: number;
  /** Told of everything in this order; what they do must not throw. */
  readonly observers: readonly GroupObserver[];
}

/** Where the loop reports to: metrics, logs and traces are made of it. */
export interface GroupObserver {
  started?(generation: Generation, attempt: number): void;
  stepped?(step: ObservedStep): void;
  ended?(generation: Generation, reason: FinishReason): void;
  failed?(generation: Generation, cause: unknown): void;
  /** Given back to its queue, where it waits for its turn: another tenant holds less than its share. */
  gaveWay?(generation: Generation): void;
  /** Given up without an end: another leader goes on, or it ended elsewhere. */
  abandoned?(generation: Generation): void;
}

export interface ObservedStep {
  readonly rows: number;
  readonly tokens: number;
  /** Rows for tokens that were only guessed, and tokens that came of them. */
  readonly guessed: number;
  readonly accepted: number;
  readonly milliseconds: number;
  /** Those that got a token. */
  readonly generations: ReadonlySet<Generation>;
}

interface Owner {
  readonly generation: Generation;
  readonly choice: Choice;
}

/** A worker looks for work at least this often, should a wake-up get lost. */
const MAX_WAIT_MS = 1_000;

export class GenerationGroup {
  readonly #parts: GroupParts;
  readonly #generations = new Map<string, Generation>();
  readonly #owners = new Map<Sequence, Owner>();
  readonly #publisher: StepPublisher;
  readonly #ending: Ending[] = [];
  /** Parts of prompts that are to be published before what the step yields. */
  #echoes: TokenAppend[] = [];
  /** The queue was not found empty since there last may have been work. */
  #mayHaveWork = true;
  #foundEmptyMs = 0;
  /** A tenant may wait that holds less than its share; asked again after a while, since shares change. */
  #mayMakeRoom = true;
  #askedForRoomMs = 0;

  constructor(parts: GroupParts) {
    this.#parts = parts;
    this.#publisher = new StepPublisher({ ...parts, intervalMs: parts.eventIntervalMs });
  }

  get size(): number {
    return this.#generations.size;
  }

  /** Drops all state without writing to Redis, because another leader owns the requests. */
  abandon(): void {
    for (const generation of this.#generations.values()) this.#giveUp(generation);
    this.#ending.length = 0;
    this.#echoes.length = 0;
    this.#publisher.drop();
  }

  /** Takes up what the group's former leader ran. */
  async recover(): Promise<void> {
    for (const taken of await this.#parts.source.recover()) await this.#start(taken);
  }

  /**
   * Runs until `stop` is aborted. Then it admits no more, goes on until all answers have ended or `drainMs` have passed, and
   * gives the rest back. Throws `fenced` when the lease is lost: everything is another leader's then.
   */
  async run(stop: AbortSignal, drainMs: number): Promise<void> {
    await this.#runWhile(() => !stop.aborted, true);
    await this.#parts.source.refuse();
    const deadline = performance.now() + drainMs;
    await this.#runWhile(() => this.size > 0 && performance.now() < deadline, false);
    await this.#publisher.flush();
    for (const generation of this.#generations.values()) await this.#giveBack(generation);
  }

  async #runWhile(goesOn: () => boolean, admits: boolean): Promise<void> {
    while (goesOn()) {
      // Between two steps, because a step that runs uses their blocks.
      for (const id of this.#publisher.takeRefused()) this.#forget(id);
      this.#cancel(this.#parts.cancels.drain());
      if (admits && this.#isPollDue()) await this.#admit();
      const worked = await this.#step();
      if (worked || !goesOn()) continue;
      await this.#parts.source.waitForWork(MAX_WAIT_MS);
      this.#mayHaveWork = true;
    }
  }

  // Looking is a round trip to Redis for which every running answer waits, so it needs a reason.
  #isPollDue(): boolean {
    const heard = this.#parts.source.heardOfWork();
    const longAgo = performance.now() - this.#foundEmptyMs > MAX_WAIT_MS;
    this.#mayHaveWork ||= heard || longAgo;
    this.#mayMakeRoom ||= heard || performance.now() - this.#askedForRoomMs > MAX_WAIT_MS;
    return this.#mayHaveWork;
  }

  async #admit(): Promise<void> {
    do await this.#take();
    while (await this.#makeRoom());
  }

  async #makeRoom(): Promise<boolean> {
    if (!this.#mayMakeRoom) return false;
    const leaving = await findWhoLeaves(this.#parts, this.#generations);
    this.#mayMakeRoom = leaving.length > 0;
    this.#askedForRoomMs = performance.now();
    if (leaving.length > 0) await this.#publisher.flush();
    for (const id of leaving) await this.#giveWay(id);
    return leaving.length > 0;
  }

  async #giveWay(id: string): Promise<void> {
    const generation = this.#generations.get(id);
    if (generation === undefined) return;
    this.#tell((observer) => observer.gaveWay?.(generation));
    await this.#giveBack(generation);
  }

  /** What was not published is computed again by the group that takes it. */
  async #giveBack(generation: Generation): Promise<void> {
    const { id } = generation.request;
    this.#echoes = this.#echoes.filter((append) => append.id !== id);
    await this.#parts.source.release(id);
    this.#giveUp(generation);
  }

  // Only a head that waits for room stays out of the queue's hands: fairness is decided when a request is taken.
  async #take(): Promise<void> {
    while (this.#generations.size < this.#parts.maxGenerations && this.#parts.scheduler.waiting === 0) {
      const taken = await this.#parts.source.takeNext(this.#generations.size === 0);
      if (taken !== null) await this.#start(taken);
      if (taken?.moreWait) continue;
      this.#mayHaveWork = false;
      this.#foundEmptyMs = performance.now();
      return;
    }
  }

  async #start({ request, lastSeq, cancelled, attempt }: TakenGeneration): Promise<void> {
    const published = lastSeq === 0 ? [] : await this.#parts.readPublished(request.id);
    const { masks, fault } = this.#compileConstraint(request);
    const generation = new Generation(request, published, this.#parts.tokenizer, masks);
    this.#generations.set(request.id, generation);
    this.#mayMakeRoom = true;
    this.#tell((observer) => observer.started?.(generation, attempt));
    if (cancelled) return this.#end(generation, { outcome: 'cancelled', error: null, cachedTokens: 0 });
    if (fault !== null) return this.#fail(generation, fault);
    const longest = Math.max(...request.prompts.map(({ length }) => length)) + Math.max(1, request.maxTokens);
    if (!this.#parts.scheduler.canHold(longest)) {
      const message = `The request needs ${longest} tokens of KV cache, more than this worker has. Shorten the prompt or lower max_tokens.`;
      return this.#fail(generation, new DomainError('generation_failed', message));
    }
    for (const choice of generation.open) {
      this.#owners.set(choice.sequence, { generation, choice });
      this.#parts.scheduler.add(choice.sequence);
      this.#echo(generation, choice);
    }
    if (generation.open.length === 0) this.#end(generation, finished(generation));
  }

  #compileConstraint({ constraint, tenant }: GenerationRequest) {
    try {
      const masks = constraint === null ? null : this.#parts.compileConstraint(constraint, tenant);
      return { masks, fault: null };
    } catch (fault) {
      return { masks: null, fault };
    }
  }

  #echo(generation: Generation, choice: Choice): void {
    const event = echoPrompt(generation.request, choice);
    if (event === null) return;
    this.#echoes.push({ id: generation.request.id, seq: generation.takeSeq(), event });
    if (event.finish !== null) this.#drop(choice.sequence);
  }

  /** Repeats what the step has scored of prompts. */
  #echoScored(): void {
    for (const { generation, choice } of [...this.#owners.values()]) {
      if (choice.sampling.promptLogprobs.length === 0) continue;
      this.#echo(generation, choice);
      if (generation.open.length === 0) this.#end(generation, finished(generation));
    }
  }

  async #step(): Promise<boolean> {
    const startedMs = performance.now();
    const result = await runStep({
      scheduler: this.#parts.scheduler,
      executor: this.#parts.executor,
      of: (sequence) => this.#owners.get(sequence)?.choice.sampling ?? null,
      onFailure: (sequence, reason) => this.#fail(this.#owners.get(sequence)?.generation, reason),
    });
    if (result.rows > 0) this.#reportStep(result, performance.now() - startedMs);
    this.#echoScored();
    const appends = [...this.#echoes.splice(0), ...result.tokens.flatMap((token) => this.#accept(token))];
    await this.#publisher.publish(appends, this.#ending.splice(0));
    return result.rows > 0 || result.again;
  }

  #tell(report: (observer: GroupObserver) => void): void {
    for (const observer of this.#parts.observers) report(observer);
  }

  #reportStep({ rows, guessed, tokens }: StepResult, milliseconds: number): void {
    const sequences = new Set(tokens.map(({ sequence }) => sequence));
    const owners = [...sequences].map((sequence) => this.#owners.get(sequence)?.generation);
    const generations = new Set(owners.filter((generation) => generation !== undefined));
    const accepted = tokens.length - sequences.size;
    const step = { rows, tokens: tokens.length, guessed, accepted, milliseconds, generations };
    this.#tell((observer) => observer.stepped?.(step));
  }

  #accept({ sequence, id, logprob, last }: GeneratedToken): TokenAppend[] {
    const owner = this.#owners.get(sequence);
    // Another choice of its request failed in this very step, or the answer has ended with the token before.
    if (owner === undefined) return [];
    const { generation, choice } = owner;
    const event = choice.answer.push(id, logprob, last);
    if (choice.answer.finish !== null) this.#drop(sequence);
    if (generation.open.length === 0) this.#end(generation, finished(generation));
    return [{ id: generation.request.id, seq: generation.takeSeq(), event }];
  }

  #cancel(ids: readonly string[]): void {
    for (const id of ids) {
      const generation = this.#generations.get(id);
      if (generation === undefined) continue;
      this.#end(generation, { outcome: 'cancelled', error: null, cachedTokens: generation.cachedTokens ?? 0 });
    }
  }

  #fail(generation: Generation | undefined, cause: unknown): void {
    if (generation === undefined) return;
    this.#tell((observer) => observer.failed?.(generation, cause));
    const { code, message } = toDomainError(cause);
    this.#end(generation, { outcome: 'failed', error: { code, message }, cachedTokens: generation.cachedTokens ?? 0 });
  }

  // Ended elsewhere (cancelled while queued, reaped): its stream takes nothing more.
  #forget(id: string): void {
    const generation = this.#generations.get(id);
    if (generation === undefined) return;
    this.#giveUp(generation);
    // Its job is no longer ours to settle; a failure here leaves it to the stall scan.
    void this.#parts.source.done(id, 'ended elsewhere').catch(() => {});
  }

  #end(generation: Generation, reason: FinishReason): void {
    if (!this.#generations.has(generation.request.id)) return;
    this.#release(generation);
    this.#ending.push({ generation, reason });
    this.#tell((observer) => observer.ended?.(generation, reason));
  }

  #giveUp(generation: Generation): void {
    this.#release(generation);
    this.#tell((observer) => observer.abandoned?.(generation));
  }

  #release(generation: Generation): void {
    this.#generations.delete(generation.request.id);
    for (const { sequence } of generation.choices) this.#drop(sequence);
  }

  #drop(sequence: Sequence): void {
    this.#owners.delete(sequence);
    this.#parts.scheduler.remove(sequence);
  }
}

function finished(generation: Generation): FinishReason {
  return { outcome: 'finished', error: null, cachedTokens: generation.cachedTokens ?? 0 };
}
