// Remembers how long steps took, by their rows. In: one measurement per step. Out: a StepCost to decide with.
import { type CostShape, type StepCost, stepMs } from './step-cost.ts';

/** The median of so many: one slow step (a page fault, another process) changes nothing, a lasting change soon does. */
const REMEMBERED = 3;
/** Up to here each row count is kept apart; above, those within about a fifth go together. */
const SINGLE_ROWS = 16;

export class StepCosts {
  readonly #shape: CostShape;
  /** By representative row count: the last ms per unit of the shape, oldest first. */
  readonly #recent = new Map<number, number[]>();

  constructor(shape: CostShape) {
    this.#shape = shape;
  }

  /** A step of `rows` rows took `ms`. */
  observe(rows: number, ms: number): void {
    const units = stepMs({ shape: this.#shape, rows: [], msPerUnit: [] }, rows);
    const recent = this.#recent.get(representative(rows)) ?? [];
    recent.push(ms / units);
    if (recent.length > REMEMBERED) recent.shift();
    this.#recent.set(representative(rows), recent);
  }

  estimate(): StepCost {
    const rows = [...this.#recent.keys()].sort((left, right) => left - right);
    return { shape: this.#shape, rows, msPerUnit: rows.map((each) => median(this.#recent.get(each) ?? [])) };
  }
}

function representative(rows: number): number {
  return rows <= SINGLE_ROWS ? rows : Math.round(2 ** (Math.round(Math.log2(rows) * 4) / 4));
}

/** The middle one; of two the smaller, which is the less disturbed. */
function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 1;
}
