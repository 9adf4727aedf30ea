// How fast running answers go, and whether prompts have slowed them too much: keeps what planStep gets as numbers.
import { type CostShape, type StepCost, stepMs } from './step-cost.ts';
import { StepCosts } from './step-costs.ts';

/** After this many consecutive steps with prompts or drafts, the pace of decoding alone is measured again. */
const REMEASURE_STEPS = 64;

/** A slow step with drafts must be forgotten after a while: no drafts, no new measurement. */
const INITIAL_DRAFT_MEMORY = 32;

export class DecodePace {
  /** Of all steps. */
  readonly #costs: StepCosts;
  /** Of steps without prompts: a guessed row needs logits, a prompt's row does not. */
  readonly #answerCosts: StepCosts;
  readonly #target: number;
  /** Below 0: what a step may take beyond the target. */
  #owedMs = 0;
  /** Steps with answers since the last one that had one row for each and nothing else. */
  #otherSteps = REMEASURE_STEPS;

  /** `target`: mean time between tokens while prompts are taken in, over that without. */
  constructor(shape: CostShape, target: number) {
    this.#costs = new StepCosts(shape);
    this.#answerCosts = new StepCosts(shape, INITIAL_DRAFT_MEMORY);
    this.#target = target;
  }

  /** What a step costs, to size what prompts add to it. */
  get cost(): StepCost {
    return this.#costs.estimate();
  }

  /** What a step of answers costs, to decide on guesses. */
  get answerCost(): StepCost {
    return this.#answerCosts.estimate();
  }

  /** Time by which prompts have slowed answers beyond the target, in ms; prompts wait while it is above 0. */
  get owedMs(): number {
    return this.#owedMs;
  }

  /** True when the next step should have one row for each running answer and nothing else. */
  get isMeasurementDue(): boolean {
    return this.#otherSteps >= REMEASURE_STEPS;
  }

  /** A step of `rows` rows took `ms`; `answerRows` of them were of running answers, `guessedRows` of these guessed. */
  observe(rows: number, answerRows: number, guessedRows: number, ms: number): void {
    this.#costs.observe(rows, ms);
    if (answerRows === 0) {
      this.#owedMs = 0;
      return;
    }
    const mixed = rows > answerRows;
    if (!mixed) this.#answerCosts.observe(rows, ms);
    const alone = stepMs(this.cost, answerRows);
    const allowed = (this.#target - 1) * alone;
    // A step of answers alone makes good what is owed. Beyond that it counts for one step to come, and no further.
    this.#owedMs = Math.max(-allowed, this.#owedMs + (mixed ? ms - alone : 0) - allowed);
    this.#otherSteps = mixed || guessedRows > 0 ? this.#otherSteps + 1 : 0;
  }
}
