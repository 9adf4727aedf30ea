// Shapes that no value has. Says yes only where that is certain: `oneOf` rests on it.

import { PatternFault } from '../pattern-syntax.ts';
import { numberAutomaton } from './number-text.ts';
import { type Conjunction, propertySchemas, type Shape, type ShapeSource } from './shapes.ts';
import { stringAutomaton } from './string-text.ts';

/** How many levels of values are looked into. */
const DEPTH = 4;

export function isEmptyShape(shape: Shape, source: ShapeSource, depth = DEPTH): boolean {
  switch (shape.kind) {
    case 'number':
      return shape.least > shape.most || hasNone(() => numberAutomaton(shape));
    case 'string':
      return (shape.most !== null && shape.least > shape.most) || hasNone(() => stringAutomaton(shape));
    case 'array': {
      const first = shape.prefix.slice(0, shape.least);
      const needed = shape.least > shape.prefix.length ? [...first, shape.items] : first;
      return (shape.most !== null && shape.least > shape.most) || needed.some((item) => isEmpty(item, source, depth));
    }
    case 'object': {
      if (shape.most !== null && Math.max(shape.least, shape.required.length) > shape.most) return true;
      return shape.required.some((name) => isEmpty(propertySchemas(shape.rules, name), source, depth));
    }
    default:
      return false;
  }
}

function isEmpty(conjunction: Conjunction, source: ShapeSource, depth: number): boolean {
  if (depth === 0) return false;
  return source.shapesOf(conjunction).every((shape) => isEmptyShape(shape, source, depth - 1));
}

function hasNone(build: () => { readonly length: number }): boolean {
  try {
    return build().length === 0;
  } catch (thrown) {
    if (thrown instanceof PatternFault) return false;
    throw thrown;
  }
}
