// Routing counts of routers that are not known: popularity falls with the rank of an expert. In: a model and an exponent. Out: counts as
// a router that was watched would have them. Pure.
import { expertShape, type ModelDescription } from '../../native/model-description.ts';

/** Of the most popular expert: large, since routings are drawn as if every expert had been seen once more. */
const MOST_ROWS = 1e6;

/** Rows of each expert, [layers, experts], flat: as 1 / rank ** exponent, in another order in every layer. 0: all alike. */
export function skewedCounts(model: ModelDescription, exponent: number): Float64Array {
  const { layers, experts } = expertShape(model);
  const counts = new Float64Array(layers.length * experts);
  const step = coprimeTo(experts);
  for (const [id] of counts.entries()) {
    const layer = Math.floor(id / experts);
    const rank = (((id % experts) * step + layer * 11) % experts) + 1;
    counts[id] = Math.round(MOST_ROWS / rank ** exponent);
  }
  return counts;
}

/** Multiples of it visit every number below `count`: neighbours get ranks far apart. */
function coprimeTo(count: number): number {
  for (let step = Math.floor(count / 3) + 1; ; step += 1) if (greatestDivisor(step, count) === 1) return step;
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}
