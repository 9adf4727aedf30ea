// Decides what the next step computes. In: what runs, what waits, what is free. Out: rows, admissions, preemptions. Pure:
// no clock, no effects; the same state always gives the same plan.
//
// Order of precedence: running answers go on (one row each), then tokens guessed for them where that pays, then prompts
// already begun, then the head of the waiting line. Nothing overtakes a head that does not fit. A prompt's blocks are all
// reserved when it is admitted, so only answers can run out of blocks; then the sequence admitted last gives way and is
// computed again later.
import { type DraftOffer, planDrafts } from './plan-drafts.ts';
import { type ChunkLimits, sizeChunk } from './size-chunk.ts';
import type { StepCost } from './step-cost.ts';

/** A sequence that has KV blocks. */
export interface RunningSequence {
  readonly id: string;
  readonly promptTokens: number;
  /** Tokens known: prompt and generated ones. */
  readonly length: number;
  /** Tokens whose keys and values are in the cache; below `length`. */
  readonly computed: number;
  /** Blocks held. */
  readonly blocks: number;
  /** Of those, blocks that become available when it gives way. */
  readonly ownBlocks: number;
  /** What may be guessed behind its last token. */
  readonly guess: DraftOffer;
  /** Its rows yield logits of its prompt. */
  readonly wantsLogits?: boolean;
}

/** A sequence that has none yet. */
export interface WaitingSequence {
  readonly id: string;
  readonly length: number;
  /** Tokens at its start that are in the prefix cache: whole blocks. */
  readonly cachedTokens: number;
  /** Available blocks that admitting it takes: new ones, and cached ones without a holder. */
  readonly takesBlocks: number;
  /** As of RunningSequence. */
  readonly wantsLogits?: boolean;
}

/** Rows of one step at most that yield logits of prompts: a row of logits is as long as the vocabulary. */
const MOST_LOGIT_ROWS = 64;

export interface SchedulerLimits extends ChunkLimits {
  readonly blockTokens: number;
  /** Rows of one step at most; not below maxSequences. */
  readonly maxRows: number;
  /** Sequences running at once at most. */
  readonly maxSequences: number;
}

export interface SchedulerView {
  /** In the order of their admission. */
  readonly running: readonly RunningSequence[];
  /** In the order of their turn; only those are looked at that may have room. */
  readonly waiting: Iterable<WaitingSequence>;
  readonly availableBlocks: number;
  readonly limits: SchedulerLimits;
  /** Of any step. */
  readonly cost: StepCost;
  /** Of a step of answers and guesses alone. */
  readonly answerCost: StepCost;
  /** Time by which prompts have slowed running answers beyond the target, in ms; above 0, prompts wait. */
  readonly owedMs: number;
  /** Running answers get one row each and nothing else runs beside them: their own pace is to be measured. */
  readonly measuresPace: boolean;
}

/** Rows `from` to `from + count - 1` of a sequence, and `guessed` more for tokens that are only guessed. */
export interface PlannedRows {
  readonly id: string;
  readonly from: number;
  readonly count: number;
  readonly guessed: number;
}

export interface StepPlan {
  /** These lose their blocks, in this order, before anything else happens. */
  readonly preempt: readonly string[];
  /** These get their cached prefix and blocks for all their tokens and one more, in this order. */
  readonly admit: readonly string[];
  /** What is computed, in this order. */
  readonly rows: readonly PlannedRows[];
  /** How many of them, the first ones, are running answers. */
  readonly answers: number;
}

/** Blocks that `tokens` positions take. */
export function blocksFor(tokens: number, blockTokens: number): number {
  return Math.ceil(tokens / blockTokens);
}

/** Blocks that `head` lacks beside `running` sequences, each of which may need one soon; a head that is alone may have them all. */
export function lackingBlocks({ takesBlocks }: WaitingSequence, running: number, available: number): number {
  return takesBlocks + running - available;
}

export function planStep(view: SchedulerView): StepPlan {
  const answers = addDrafts(view, planAnswers(view));
  const prompts = planPrompts(view, answers);
  return {
    preempt: [...answers.preempted],
    admit: prompts.admit,
    rows: [...answers.rows, ...prompts.rows],
    answers: answers.rows.length,
  };
}

interface AnswerPlan {
  readonly rows: readonly PlannedRows[];
  readonly preempted: ReadonlySet<string>;
  readonly available: number;
}

function isAnswering({ promptTokens, length, computed }: RunningSequence): boolean {
  return computed >= promptTokens && length - computed === 1;
}

// One row for every running answer, oldest first. If blocks run out, the sequence admitted last is preempted, possibly this one.
function planAnswers({ running, availableBlocks, limits }: SchedulerView): AnswerPlan {
  const rows: PlannedRows[] = [];
  const preempted = new Set<string>();
  let available = availableBlocks;
  /** Those that may still have to give way: from the end of `running`. */
  let last = running.length - 1;
  for (const [index, sequence] of running.entries()) {
    if (!isAnswering(sequence) || index > last || rows.length === limits.maxRows) continue;
    const needed = blocksFor(sequence.length, limits.blockTokens) - sequence.blocks;
    for (; needed > available && last >= index; last -= 1) {
      const victim = running[last] ?? sequence;
      preempted.add(victim.id);
      available += victim.ownBlocks;
    }
    if (preempted.has(sequence.id)) continue;
    available -= Math.max(0, needed);
    rows.push({ id: sequence.id, from: sequence.computed, count: 1, guessed: 0 });
  }
  return { rows, preempted, available };
}

// Drafts must not take blocks that running sequences may need soon, and are not made while blocks are scarce.
function addDrafts({ running, limits, answerCost, measuresPace }: SchedulerView, answers: AnswerPlan): AnswerPlan {
  const { rows, preempted, available } = answers;
  const answering = running.filter(isAnswering).slice(0, rows.length);
  const nothingToGuess = answering.every(({ guess }) => guess.chance === 0);
  if (measuresPace || preempted.size > 0 || nothingToGuess) return answers;
  const moreBlocks = Math.floor(Math.max(0, available - running.length) / rows.length);
  const guesses = answering.map(({ length, guess }) => {
    const room = (blocksFor(length, limits.blockTokens) + moreBlocks) * limits.blockTokens - length;
    return { ...guess, most: Math.min(guess.most, room) };
  });
  const counts = planDrafts(guesses, rows.length, limits.maxRows - rows.length, answerCost);
  const blocks = answering.map(({ length, blocks: held }, index) => {
    const before = Math.max(held, blocksFor(length, limits.blockTokens));
    return Math.max(0, blocksFor(length + (counts[index] ?? 0), limits.blockTokens) - before);
  });
  return {
    rows: rows.map((row, index) => ({ ...row, guessed: counts[index] ?? 0 })),
    preempted,
    available: available - blocks.reduce((sum, count) => sum + count, 0),
  };
}

interface PromptPlan {
  readonly rows: readonly PlannedRows[];
  readonly admit: readonly string[];
}

// Prompts that have started continue; then heads of the waiting line, unless a sequence was just preempted.
function planPrompts(view: SchedulerView, answers: AnswerPlan): PromptPlan {
  const { running, waiting, limits } = view;
  const rows: PlannedRows[] = [];
  const admit: string[] = [];
  const staying = running.filter((sequence) => !answers.preempted.has(sequence.id));
  const begun = staying.filter((sequence) => !isAnswering(sequence));
  let budget = promptRows(view, countRows(answers.rows));
  let logitBudget = MOST_LOGIT_ROWS;
  const take = ({ id, wantsLogits }: RunningSequence | WaitingSequence, from: number, wanted: number): void => {
    const count = Math.min(wanted, budget, wantsLogits === true ? logitBudget : budget);
    if (wantsLogits === true) logitBudget -= count;
    if (count > 0) rows.push({ id, from, count, guessed: 0 });
    budget -= count;
  };
  for (const sequence of begun) {
    take(sequence, sequence.computed, sequence.length - sequence.computed);
  }
  let available = answers.available;
  const mayAdmit = (): boolean => budget > 0 && staying.length + admit.length < limits.maxSequences;
  for (const head of answers.preempted.size === 0 && mayAdmit() ? waiting : []) {
    if (lackingBlocks(head, staying.length + admit.length, available) > 0) break;
    available -= head.takesBlocks;
    admit.push(head.id);
    take(head, head.cachedTokens, head.length - head.cachedTokens);
    if (!mayAdmit()) break;
  }
  return { rows, admit };
}

function promptRows({ limits, cost, owedMs, measuresPace }: SchedulerView, answerRows: number): number {
  const room = limits.maxRows - answerRows;
  if (answerRows === 0 || room === 0) return room;
  return owedMs > 0 || measuresPace ? 0 : sizeChunk(cost, answerRows, room, limits);
}

function countRows(rows: readonly PlannedRows[]): number {
  return rows.reduce((sum, { count, guessed }) => sum + count + guessed, 0);
}
