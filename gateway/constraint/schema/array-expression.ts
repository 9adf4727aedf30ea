// Arrays of a shape: a graph whose nodes are numbers of items so far.
import { alternatives, type Expression, type GraphNode, literal, NOTHING, repeat, sequence } from '../expression.ts';
import { BETWEEN } from '../json-space.ts';
import { SchemaFault } from './schema-fault.ts';
import type { ArrayShape, Conjunction } from './shapes.ts';

type ExpressionOf = (conjunction: Conjunction) => Expression;

const SEPARATOR = sequence(literal(','), BETWEEN);
/** Nodes of a graph that counts items one by one. */
const MOST_NODES = 2_000;
const MOST_CONTAINED = 8;

export function arrayExpression(shape: ArrayShape, expressionOf: ExpressionOf): Expression {
  if (shape.most !== null && shape.least > shape.most) return alternatives();
  const items = shape.contains.length === 0 ? plainItems(shape, expressionOf) : containingItems(shape, expressionOf);
  return sequence(literal('['), items, literal(']'));
}

/** Items by position, then a counted repetition of the rest. */
function plainItems({ prefix, items, least, most }: ArrayShape, expressionOf: ExpressionOf): Expression {
  const fixed = most === null ? prefix : prefix.slice(0, most);
  const firsts = fixed.map(expressionOf);
  const rest = expressionOf(items);
  const restMost = most === null ? null : most - fixed.length;
  const tail = (first: boolean): Expression => restItems(rest, first, Math.max(0, least - fixed.length), restMost);
  // From the back, so that each position is followed by what may come behind it.
  return firsts.reduceRight<Expression>(
    (behind, item, at) => {
      const here = sequence(at === 0 ? BETWEEN : SEPARATOR, item, behind);
      return at < least ? here : alternatives(here, BETWEEN);
    },
    fixed.length === 0 ? tail(true) : tail(false),
  );
}

/** `least` to `most` further items and the space before the closing bracket; `first`: none came before. */
function restItems(item: Expression, first: boolean, least: number, most: number | null): Expression {
  const further = (low: number, high: number | null) =>
    sequence(high === 0 ? NOTHING : repeat(sequence(SEPARATOR, item), low, high), BETWEEN);
  if (!first) return further(least, most);
  if (most === 0) return BETWEEN;
  const some = sequence(BETWEEN, item, further(Math.max(0, least - 1), most === null ? null : most - 1));
  return least > 0 ? some : alternatives(some, BETWEEN);
}

/** Nodes: items so far as far as they matter, times items so far that were of the kind contained. */
function containingItems(shape: ArrayShape, expressionOf: ExpressionOf): Expression {
  const [contained, second] = shape.contains;
  if (contained === undefined || second !== undefined)
    throw new SchemaFault(second?.path ?? '', "only one 'contains' is supported");
  if (contained.least > MOST_CONTAINED)
    throw new SchemaFault(contained.path, `'minContains' is supported up to ${MOST_CONTAINED}`);
  const { prefix, items, least, most } = shape;
  const positions = Math.max(prefix.length, least, most ?? 0, 1);
  const width = contained.least + 1;
  if (positions * width > MOST_NODES)
    throw new SchemaFault(contained.path, "'contains' is supported only in shorter arrays");
  const nodes: GraphNode[] = [];
  for (let at = 0; at <= positions; at += 1) {
    for (let found = 0; found < width; found += 1) {
      const item = prefix[at] ?? items;
      const next = Math.min(at + 1, positions) * width;
      const separator = at === 0 ? BETWEEN : SEPARATOR;
      const full = most !== null && at >= most;
      const edges = [
        { expression: sequence(separator, expressionOf(item)), to: next + found },
        ...(found < contained.least
          ? [{ expression: sequence(separator, expressionOf([...item, ...contained.item])), to: next + found + 1 }]
          : []),
      ];
      nodes.push({ accepts: at >= least && found >= contained.least, edges: full ? [] : edges });
    }
  }
  return sequence({ kind: 'graph', nodes }, BETWEEN);
}
