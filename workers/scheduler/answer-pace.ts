// How fast running answers go, and whether prompts have slowed them too much: keeps what planStep gets as numbers.
import { type CostShape, type StepCost, stepMs } from './step-cost.ts';
import { StepCosts } from './step-costs.ts';

/** After so many steps in a row beside prompts, the answers' own pace is measured again. */
const REMEASURE_STEPS = 64;

export class AnswerPace {
  readonly #costs: StepCosts;
  readonly #target: number;
  /** Below 0: what a step may take beyond the target. */
  #owedMs = 0;
  /** Steps with answers since the last one that had nothing else. */
  #mixedSteps = REMEASURE_STEPS;

  /** `target`: mean time between tokens while prompts are taken in, over that without. */
  constructor(shape: CostShape, target: number) {
    this.#costs = new StepCosts(shape);
    this.#target = target;
  }

  get cost(): StepCost {
    return this.#costs.estimate();
  }

  /** Time by which prompts have slowed answers beyond the target, in ms; prompts wait while it is above 0. */
  get owedMs(): number {
    return this.#mixedSteps >= REMEASURE_STEPS ? Number.POSITIVE_INFINITY : this.#owedMs;
  }

  /** A step of `rows` rows took `ms`; `answerRows` of them were of running answers. */
  observe(rows: number, answerRows: number, ms: number): void {
    this.#costs.observe(rows, ms);
    if (answerRows === 0) {
      this.#owedMs = 0;
      return;
    }
    const mixed = rows > answerRows;
    const alone = stepMs(this.cost, answerRows);
    const allowed = (this.#target - 1) * alone;
    // A step of answers alone makes good what is owed. Beyond that it counts for one step to come, and no further.
    this.#owedMs = Math.max(-allowed, this.#owedMs + (mixed ? ms - alone : 0) - allowed);
    this.#mixedSteps = mixed ? this.#mixedSteps + 1 : 0;
  }
}
