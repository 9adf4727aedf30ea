// What runs and what waits in a group, and the KV blocks of each. Asks planStep what to do and does the bookkeeping: blocks
// are taken and given back here, full ones are offered to the tenant's later requests.
import type { Drafter } from '../speculation/drafter.ts';
import { DecodePace } from './decode-pace.ts';
import { findPrefixSource, mayStart } from './find-prefix-source.ts';
import type { KvBlockPool, PrefixMatch } from './kv-block-pool.ts';
import type { DraftOffer } from './plan-drafts.ts';
import {
  blocksFor,
  lackingBlocks,
  type PlannedRows,
  planStep,
  type RunningSequence,
  type SchedulerLimits,
  type StepPlan,
  type WaitingSequence,
} from './plan-step.ts';
import { type Sequence, wantsPromptLogits } from './sequence.ts';
import type { CostShape } from './step-cost.ts';
import { countDraftRows, countRows, type StepRows } from './step-rows.ts';

/** Places among the running sequences, and KV blocks. */
export interface Held {
  readonly places: number;
  readonly blocks: number;
}

/** What keeps the head of the waiting line from starting. */
export interface Lack extends Held {
  readonly head: Sequence;
  /** Blocks that it takes; `blocks` of them are not available. */
  readonly takesBlocks: number;
}

const NO_OFFER: DraftOffer = { chance: 0, most: 0 };
const NO_DRAFT: readonly number[] = [];

export class Scheduler {
  readonly #pool: KvBlockPool;
  readonly #limits: SchedulerLimits;
  readonly #running: Sequence[] = [];
  readonly #waiting: Sequence[] = [];
  readonly #pace: DecodePace;
  readonly #createDrafter: ((sequence: Sequence) => Drafter) | null;
  /** Rows of answers in the step that was planned last. */
  #answerRows = 0;

  /**
   * `shape`: how the model's steps grow with their rows, until that is measured. `createDrafter`: makes what guesses a
   * sequence's tokens; null guesses nothing.
   */
  constructor(
    pool: KvBlockPool,
    limits: SchedulerLimits,
    shape: CostShape,
    createDrafter: ((sequence: Sequence) => Drafter) | null = null,
  ) {
    this.#createDrafter = createDrafter;
    this.#pool = pool;
    this.#limits = limits;
    this.#pace = new DecodePace(shape, limits.interTokenTarget);
  }

  get running(): number {
    return this.#running.length;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Share of the KV blocks that sequences hold, 0..1. */
  get kvUse(): number {
    return 1 - this.#pool.available / this.#pool.capacity;
  }

  /** Of everything that sequences hold. */
  get capacity(): Held {
    return { places: this.#limits.maxSequences, blocks: this.#pool.capacity };
  }

  /** What the head of the waiting line lacks, if it could start but for that; null if nothing. */
  lackOfHead(): Lack | null {
    const view: WaitingSequence | undefined = this.#viewWaiting().next().value;
    const [head] = this.#waiting;
    if (view === undefined || head === undefined) return null;
    const { takesBlocks } = view;
    if (this.#running.length >= this.#limits.maxSequences) return { head, takesBlocks, places: 1, blocks: 0 };
    const blocks = lackingBlocks(view, this.#running.length, this.#pool.available);
    return blocks > 0 ? { head, takesBlocks, places: 0, blocks } : null;
  }

  /** What these sequences hold; of blocks, those that become available when they leave. */
  heldBy(sequences: readonly Sequence[]): Held {
    const running = sequences.filter((sequence) => this.#running.includes(sequence));
    const blocks = running.reduce((sum, sequence) => sum + this.#pool.countOwned(sequence.blocks), 0);
    return { places: running.length, blocks };
  }

  /** True when a sequence of this many tokens can run here at all, alone. */
  canHold(tokens: number): boolean {
    return blocksFor(tokens, this.#limits.blockTokens) <= this.#pool.capacity;
  }

  /** Puts a sequence at the end of the waiting line. */
  add(sequence: Sequence): void {
    this.#waiting.push(sequence);
    this.#line(sequence);
  }

  /** Takes a sequence out, wherever it is: finished, cancelled or failed. Not between `nextStep` and `complete`. */
  remove(sequence: Sequence): void {
    dropFrom(this.#waiting, sequence);
    if (dropFrom(this.#running, sequence)) this.#giveBlocksBack(sequence);
    for (const other of this.#waiting) if (other.prefixSource?.sequence === sequence) this.#line(other);
  }

  /**
   * The contents of the KV blocks are lost: everything that runs goes back to the waiting line, in its order, and is computed
   * again; the prefix cache is forgotten. Also instead of `complete`, for a step that failed.
   */
  preemptAll(): void {
    for (const sequence of this.#running.toReversed()) this.#preempt(sequence);
    this.#pool.forgetPrefixes();
  }

  /** Decides and prepares the next step; no rows when there is nothing to do. */
  nextStep(): readonly StepRows[] {
    const plan = planStep({
      running: this.#running.map((sequence) => this.#viewRunning(sequence)),
      waiting: this.#viewWaiting(),
      availableBlocks: this.#pool.available,
      limits: this.#limits,
      cost: this.#pace.cost,
      answerCost: this.#pace.answerCost,
      owedMs: this.#pace.owedMs,
      measuresPace: this.#pace.isMeasurementDue,
    });
    const byId = new Map([...this.#running, ...this.#waiting].map((sequence) => [sequence.id, sequence]));
    const find = (id: string): Sequence => {
      const sequence = byId.get(id);
      if (sequence === undefined) throw new Error(`planStep named ${id}, which does not exist`);
      return sequence;
    };
    this.#apply(plan, find);
    const step = plan.rows.map((rows) => this.#prepare(find(rows.id), rows));
    this.#answerRows = countRows(step.slice(0, plan.answers));
    return step;
  }

  /** The step has run in `ms`: its rows of known tokens are in the cache. */
  complete(step: readonly StepRows[], ms: number): void {
    this.#pace.observe(countRows(step), this.#answerRows, countDraftRows(step), ms);
    for (const { sequence, from, count } of step) {
      sequence.computed = from + count;
      this.#publishFullBlocks(sequence);
    }
  }

  /** Waits only for those who have their turn before it, so that no two wait for each other. */
  #line(sequence: Sequence): void {
    if (wantsPromptLogits(sequence)) {
      sequence.prefixSource = null;
      return;
    }
    const before = [...this.#running, ...this.#waiting.slice(0, this.#waiting.indexOf(sequence))];
    sequence.prefixSource = findPrefixSource(sequence, before, this.#limits.blockTokens);
  }

  #viewRunning(sequence: Sequence): RunningSequence {
    const pool = this.#pool;
    return {
      id: sequence.id,
      promptTokens: sequence.promptTokens,
      length: sequence.tokens.length,
      computed: sequence.computed,
      blocks: sequence.blocks.length,
      // Called only when a sequence must be preempted.
      get ownBlocks() {
        return pool.countOwned(sequence.blocks);
      },
      guess: this.#guess(sequence),
      wantsLogits: wantsPromptLogits(sequence),
    };
  }

  #guess(sequence: Sequence): DraftOffer {
    if (sequence.tokens.length === sequence.promptTokens) return NO_OFFER;
    sequence.drafter ??= this.#createDrafter?.(sequence) ?? null;
    if (sequence.drafter === null) return NO_OFFER;
    sequence.drafter.follow(sequence.tokens, sequence.promptTokens);
    // The step yields a token more than were guessed.
    const room = sequence.maxTokens - sequence.tokens.length - 1;
    return { chance: sequence.drafter.chance, most: Math.min(sequence.drafter.most, room) };
  }

  /** Lazily: finding a prefix costs time, and the plan looks at no more heads than it has room for. */
  *#viewWaiting(): Generator<WaitingSequence> {
    for (const sequence of this.#waiting) {
      if (!mayStart(sequence)) return;
      const { blocks } = this.#findPrefix(sequence);
      const all = blocksFor(sequence.tokens.length + 1, this.#limits.blockTokens);
      yield {
        id: sequence.id,
        length: sequence.tokens.length,
        cachedTokens: blocks.length * this.#limits.blockTokens,
        takesBlocks: all - blocks.length + this.#pool.countUnreferenced(blocks),
        wantsLogits: wantsPromptLogits(sequence),
      };
    }
  }

  /** A cached prefix; not of positions whose logits are wanted, which have to be computed. */
  #findPrefix(sequence: Sequence): PrefixMatch {
    const { blocks, nodes } = this.#pool.findPrefix(sequence.tenant, sequence.tokens);
    if (!wantsPromptLogits(sequence)) return { blocks, nodes };
    const most = Math.floor(sequence.promptLogitsFrom / this.#limits.blockTokens);
    return { blocks: blocks.slice(0, most), nodes: nodes.slice(0, most) };
  }

  #apply(plan: StepPlan, find: (id: string) => Sequence): void {
    for (const sequence of plan.preempt.map(find)) this.#preempt(sequence);
    const admitted = plan.admit.map(find);
    // All prefixes are held before any block is allocated: allocating may evict a cached block without a holder.
    for (const sequence of admitted) {
      dropFrom(this.#waiting, sequence);
      this.#startFrom(sequence, this.#findPrefix(sequence));
      this.#running.push(sequence);
    }
    for (const sequence of admitted) this.#allocate(sequence, sequence.tokens.length + 1);
  }

  #preempt(sequence: Sequence): void {
    dropFrom(this.#running, sequence);
    this.#giveBlocksBack(sequence);
    this.#waiting.unshift(sequence);
    this.#line(sequence);
  }

  #startFrom(sequence: Sequence, prefix: PrefixMatch): void {
    this.#pool.hold(prefix.blocks);
    sequence.blocks.push(...prefix.blocks);
    sequence.nodes.push(...prefix.nodes);
    sequence.computed = prefix.blocks.length * this.#limits.blockTokens;
    sequence.cachedAtStart ??= sequence.computed;
  }

  #prepare(sequence: Sequence, { from, count, guessed }: PlannedRows): StepRows {
    this.#allocate(sequence, from + count + guessed);
    const draft = guessed === 0 ? NO_DRAFT : (sequence.drafter?.draft(sequence.tokens, guessed) ?? NO_DRAFT);
    return { sequence, from, count, draft };
  }

  #allocate(sequence: Sequence, tokens: number): void {
    while (sequence.blocks.length < blocksFor(tokens, this.#limits.blockTokens)) {
      const block = this.#pool.allocate();
      if (block === null) throw new Error('planStep promised a KV block that is not there');
      sequence.blocks.push(block);
    }
  }

  #publishFullBlocks(sequence: Sequence): void {
    const full = Math.floor(sequence.computed / this.#limits.blockTokens);
    for (let index = sequence.nodes.length; index < full; index += 1) {
      const end = (index + 1) * this.#limits.blockTokens;
      const block = sequence.blocks[index];
      if (block === undefined) throw new Error(`${sequence.id} has no block ${index}`);
      const parent = sequence.nodes.at(-1) ?? null;
      sequence.nodes.push(this.#pool.publish(sequence.tenant, parent, sequence.tokens, end, block));
    }
  }

  #giveBlocksBack(sequence: Sequence): void {
    this.#pool.release(sequence.blocks);
    sequence.blocks.length = 0;
    sequence.nodes.length = 0;
    sequence.computed = 0;
  }
}

function dropFrom(list: Sequence[], sequence: Sequence): boolean {
  const index = list.indexOf(sequence);
  if (index === -1) return false;
  list.splice(index, 1);
  return true;
}
