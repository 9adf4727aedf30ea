// What a step costs by the number of its rows: decides how much of a prompt fits beside running answers, and whether
// guessing tokens pays. A shape follows from the model; measurements correct it. Pure: the numbers are kept by StepCosts.

/** How a step's time grows with its rows, in any unit: more rows choose more experts, whose weights have to be read. */
export interface CostShape {
  /** What every step reads: attention, routers, lm_head. */
  readonly fixed: number;
  /** What each chosen expert adds. */
  readonly perExpert: number;
  readonly experts: number;
  readonly topK: number;
  /** What each row adds by being computed. */
  readonly perRow: number;
}

export interface StepCost {
  readonly shape: CostShape;
  /** Row counts that were measured, ascending; none at first. */
  readonly rows: readonly number[];
  /** For each of them, ms per unit of the shape. */
  readonly msPerUnit: readonly number[];
}

/** Experts that `rows` rows choose together when each chooses `topK` of `experts` at random (docs/paper.md#experts-per-layer). */
export function distinctExperts({ experts, topK }: Pick<CostShape, 'experts' | 'topK'>, rows: number): number {
  return experts * (1 - (1 - topK / experts) ** rows);
}

/** Expected time of a step, in ms; in units of the shape as long as nothing was measured. */
export function stepMs(cost: StepCost, rows: number): number {
  const { fixed, perExpert, perRow } = cost.shape;
  const units = fixed + perExpert * distinctExperts(cost.shape, rows) + perRow * rows;
  return units * correctionAt(cost, rows);
}

/** Linear between two measured row counts, outside them that of the nearest: what a shape misjudges most is the cost of a row. */
function correctionAt({ rows: known, msPerUnit }: StepCost, rows: number): number {
  const above = known.findIndex((each) => each >= rows);
  const [low, high] = [known[above - 1], known[above]];
  const after = msPerUnit[above === -1 ? known.length - 1 : above] ?? 1;
  if (low === undefined || high === undefined) return after;
  const before = msPerUnit[above - 1] ?? after;
  return before + ((after - before) * (rows - low)) / (high - low);
}
