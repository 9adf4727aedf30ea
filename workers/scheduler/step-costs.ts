// Remembers how long steps took, by their rows. In: one measurement per step. Out: a StepCost to decide with.
import { type CostShape, type StepCost, stepMs } from './step-cost.ts';

/** Measurements of which the median counts: one slow step (a page fault, another process) changes nothing, a lasting change soon does. */
const REMEMBERED = 3;
/** Up to here each row count is kept apart; above, those within about a fifth go together. */
const SINGLE_ROWS = 16;

interface Measured {
  /** The last ms per unit of the shape, oldest first. */
  readonly msPerUnit: number[];
  lastStep: number;
}

export class StepCosts {
  readonly #shape: CostShape;
  readonly #firstLife: number;
  /** By representative row count. */
  readonly #measured = new Map<number, Measured>();
  #steps = 0;

  /**
   * `firstLife`: steps for which a measurement counts, four times as many with each one that confirms or corrects it. What is
   * avoided because it seemed slow is so tried again: soon after a first bad impression, rarely after several.
   */
  constructor(shape: CostShape, firstLife = Number.POSITIVE_INFINITY) {
    this.#shape = shape;
    this.#firstLife = firstLife;
  }

  /** A step of `rows` rows took `ms`. */
  observe(rows: number, ms: number): void {
    const units = stepMs({ shape: this.#shape, rows: [], msPerUnit: [] }, rows);
    this.#steps += 1;
    const measured = this.#measured.get(representative(rows)) ?? { msPerUnit: [], lastStep: 0 };
    measured.msPerUnit.push(ms / units);
    if (measured.msPerUnit.length > REMEMBERED) measured.msPerUnit.shift();
    measured.lastStep = this.#steps;
    this.#measured.set(representative(rows), measured);
    this.#forgetOld();
  }

  estimate(): StepCost {
    const rows = [...this.#measured.keys()].sort((left, right) => left - right);
    const msPerUnit = rows.map((each) => median(this.#measured.get(each)?.msPerUnit ?? []));
    return { shape: this.#shape, rows, msPerUnit };
  }

  #forgetOld(): void {
    for (const [rows, { msPerUnit, lastStep }] of this.#measured) {
      const life = this.#firstLife * 4 ** (msPerUnit.length - 1);
      if (this.#steps - lastStep > life) this.#measured.delete(rows);
    }
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
