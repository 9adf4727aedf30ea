// How many guessed tokens are verified for each running answer. Pure. A guess adds a row to the step, and more rows take
// longer: in a mixture of experts nearly in proportion at first, then hardly. So it is decided for the whole step, by the
// tokens to be expected for its time.
import { type StepCost, stepMs } from './step-cost.ts';

/** What an answer's drafter offers. */
export interface DraftOffer {
  /** How likely the first guessed token is right, the second when the first is, and so on. */
  readonly chance: number;
  /** Tokens that may be guessed. */
  readonly most: number;
}

/** Guesses are verified when that promises so much more than a step without them: estimates are not exact. */
const WORTHWHILE = 1.05;
/** Less likely guesses are not considered. */
const UNLIKELY = 0.05;

/** Guessed rows for each of `guesses`, given `rows` rows of answers and `room` for more. */
export function planDrafts(
  guesses: readonly DraftOffer[],
  rows: number,
  room: number,
  cost: StepCost,
): readonly number[] {
  const ranked = rank(guesses).slice(0, Math.max(0, room));
  const plain = rows / stepMs(cost, rows);
  let [expected, best, taken] = [rows, plain * WORTHWHILE, 0];
  for (const [index, { gain }] of ranked.entries()) {
    expected += gain;
    const rate = expected / stepMs(cost, rows + index + 1);
    if (rate > best) [best, taken] = [rate, index + 1];
  }
  const counts = guesses.map(() => 0);
  for (const { owner } of ranked.slice(0, taken)) counts[owner] = (counts[owner] ?? 0) + 1;
  return counts;
}

interface RankedRow {
  /** Index into the guesses. */
  readonly owner: number;
  /** Chance that this row and all before it are right: the tokens to expect from it. */
  readonly gain: number;
}

/** Every row that may be guessed, the likeliest first; of one answer in their order. */
function rank(guesses: readonly DraftOffer[]): readonly RankedRow[] {
  const rows: RankedRow[] = [];
  for (const [owner, { chance, most }] of guesses.entries()) {
    for (let [count, gain] = [0, chance]; count < most && gain >= UNLIKELY; count += 1, gain *= chance) {
      rows.push({ owner, gain });
    }
  }
  return rows.sort((left, right) => right.gain - left.gain);
}
