// What a schema allows, sorted by the type of the value: a union of shapes. Subschemas stay as they are, as conjunctions that are
// looked into when their turn comes, so that schemas may contain themselves.
import { acceptsText, type TextAutomaton } from '../text-automaton.ts';
import type { NumberShape } from './number-text.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A schema and its path, by which it is told from others. */
export interface Located {
  readonly schema: unknown;
  readonly path: string;
}

/** Schemas that must all fit; any value fits none of them. */
export type Conjunction = readonly Located[];

/** The same for the same schemas. */
export function conjunctionKey(conjunction: Conjunction): string {
  return JSON.stringify([...new Set(conjunction.map(({ path }) => path))].sort());
}

export interface StringShape {
  readonly kind: 'string';
  readonly least: number;
  readonly most: number | null;
  /** Texts must match all. `path`: of the keyword. */
  readonly patterns: readonly { readonly automaton: TextAutomaton; readonly source: string; readonly path: string }[];
}

export interface ArrayShape {
  readonly kind: 'array';
  readonly prefix: readonly Conjunction[];
  readonly items: Conjunction;
  readonly least: number;
  readonly most: number | null;
  readonly contains: readonly { readonly item: Conjunction; readonly least: number; readonly path: string }[];
}

/** What one schema says about properties. */
export interface PropertyRules {
  readonly properties: ReadonlyMap<string, Located>;
  readonly patterns: readonly { readonly keys: TextAutomaton; readonly value: Located }[];
  /** Of properties that neither names. */
  readonly others: Located | null;
}

export interface ObjectShape {
  readonly kind: 'object';
  readonly rules: readonly PropertyRules[];
  readonly required: readonly string[];
  readonly least: number;
  readonly most: number | null;
  /** Keys must match all. */
  readonly names: readonly TextAutomaton[];
  /** For messages. */
  readonly path: string;
}

export type Shape =
  | { readonly kind: 'literal'; readonly value: Json }
  | { readonly kind: 'null' }
  | { readonly kind: 'boolean' }
  | ({ readonly kind: 'number'; readonly path: string } & NumberShape)
  | StringShape
  | ArrayShape
  | ObjectShape;

/** Looks schemas up. */
export interface ShapeSource {
  /** The union of shapes that values of all these schemas have. @throws SchemaFault */
  shapesOf(conjunction: Conjunction): readonly Shape[];
}

/** The subschemas that apply to a property. */
export function propertySchemas(rules: readonly PropertyRules[], key: string): Conjunction {
  return rules.flatMap(({ properties, patterns, others }) => {
    const declared = properties.get(key);
    const matched = patterns.filter(({ keys }) => acceptsText(keys, key)).map(({ value }) => value);
    const named = declared === undefined ? matched : [declared, ...matched];
    if (named.length > 0) return named;
    return others === null ? [] : [others];
  });
}

/** What fits both; null if their types differ or nothing can. `accepts` checks a literal. */
export function intersectShapes(a: Shape, b: Shape, accepts: (shape: Shape, value: Json) => boolean): Shape | null {
  if (a.kind === 'literal') return accepts(b, a.value) ? a : null;
  if (b.kind === 'literal') return accepts(a, b.value) ? b : null;
  if (a.kind === 'number' && b.kind === 'number') return intersectNumbers(a, b);
  if (a.kind === 'string' && b.kind === 'string') {
    return { kind: 'string', ...bounds(a, b), patterns: [...a.patterns, ...b.patterns] };
  }
  if (a.kind === 'array' && b.kind === 'array') return intersectArrays(a, b);
  if (a.kind === 'object' && b.kind === 'object') {
    const required = [...new Set([...a.required, ...b.required])];
    const rules = [...a.rules, ...b.rules];
    const names = [...a.names, ...b.names];
    return { kind: 'object', path: a.path || b.path, ...bounds(a, b), rules, required, names };
  }
  return a.kind === b.kind ? a : null;
}

type NumberOf = Extract<Shape, { kind: 'number' }>;

function intersectNumbers(a: NumberOf, b: NumberOf): Shape {
  return {
    kind: 'number',
    path: a.path || b.path,
    integer: a.integer || b.integer,
    least: Math.max(a.least, b.least),
    most: Math.min(a.most, b.most),
    multiples: [...new Set([...a.multiples, ...b.multiples])],
  };
}

function intersectArrays(a: ArrayShape, b: ArrayShape): ArrayShape {
  const length = Math.max(a.prefix.length, b.prefix.length);
  const prefix = Array.from({ length }, (_, at) => [...(a.prefix[at] ?? a.items), ...(b.prefix[at] ?? b.items)]);
  const contains = [...a.contains, ...b.contains];
  return { kind: 'array', ...bounds(a, b), prefix, items: [...a.items, ...b.items], contains };
}

interface Bounds {
  readonly least: number;
  readonly most: number | null;
}

function bounds(a: Bounds, b: Bounds): Bounds {
  const least = Math.max(a.least, b.least);
  if (a.most === null || b.most === null) return { least, most: a.most ?? b.most };
  return { least, most: Math.min(a.most, b.most) };
}
