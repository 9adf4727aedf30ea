// Schemas -> shapes: keywords of one schema are intersected with each other and with what it refers to. Unions are multiplied out;
// how far is bounded.
import { parsePattern } from '../pattern-syntax.ts';
import { patternAutomaton, type TextAutomaton } from '../text-automaton.ts';
import { isEmptyShape } from './empty-shapes.ts';
import { FORMATS } from './formats.ts';
import { matchesShape } from './match-shape.ts';
import {
  checkKeywords,
  countAt,
  type Fields,
  fieldsAt,
  isFields,
  listAt,
  numberAt,
  type TypeName,
  textAt,
  typesAt,
  valuesAt,
} from './read-keywords.ts';
import { SchemaDocument } from './resolve-reference.ts';
import { atKeyword, MalformedSchema, SchemaFault, within } from './schema-fault.ts';
import {
  type Conjunction,
  conjunctionKey,
  intersectShapes,
  type Json,
  type Located,
  type PropertyRules,
  type Shape,
  type ShapeSource,
} from './shapes.ts';
import { namesAutomaton } from './string-text.ts';

const MOST_NODES = 20_000;
const MOST_SHAPES = 6_000;
const MOST_INTERSECTIONS = 40_000;
/** Of references and combinations that apply to one value. */
const MOST_DEPTH = 64;
const MOST_PREFIX = 500;
const ALL_TYPES: readonly TypeName[] = ['null', 'boolean', 'number', 'string', 'array', 'object'];

export class SchemaShapes implements ShapeSource {
  readonly document: SchemaDocument;
  readonly #known = new Map<string, readonly Shape[]>();
  #intersections = 0;
  readonly #accepts = (shape: Shape, value: Json) => matchesShape(shape, value, this);

  constructor(schema: unknown, path: string) {
    this.document = new SchemaDocument(schema, path, MOST_NODES);
  }

  /** The union of shapes that values of all these schemas have. @throws SchemaFault */
  shapesOf(conjunction: Conjunction): readonly Shape[] {
    const key = conjunctionKey(conjunction);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const shapes = conjunction.reduce<readonly Shape[]>(
      (all, located) => this.#intersect(all, this.#expand(located, []), located.path),
      anyShapes(''),
    );
    this.#known.set(key, shapes);
    return shapes;
  }

  #intersect(left: readonly Shape[], right: readonly Shape[], path: string): readonly Shape[] {
    this.#intersections += left.length * right.length;
    if (this.#intersections > MOST_INTERSECTIONS) throw new SchemaFault(path, 'it combines too many alternatives');
    const both = left.flatMap((a) => right.flatMap((b) => intersectShapes(a, b, this.#accepts) ?? []));
    if (both.length > MOST_SHAPES) throw new SchemaFault(path, 'it has too many alternatives');
    return both;
  }

  #expand({ schema, path }: Located, above: readonly string[]): readonly Shape[] {
    if (schema === true) return anyShapes(path);
    if (schema === false) return [];
    if (!isFields(schema)) throw new MalformedSchema(path, 'expected a schema: an object or a boolean');
    if (above.length > MOST_DEPTH) throw new SchemaFault(path, 'schemas that apply to one value are nested too deeply');
    checkKeywords(schema, path);
    if ('$id' in schema && path !== this.document.root.path) {
      throw new SchemaFault(within(path, '$id'), "keyword '$id' is supported only for the whole schema");
    }
    const inside = [...above, path];
    const branches = (name: string) =>
      (listAt(schema, name, path) ?? []).map((branch, at) =>
        this.#expand({ schema: branch, path: within(path, name, at) }, inside),
      );
    let shapes = this.#own(schema, path);
    for (const branch of branches('allOf')) shapes = this.#intersect(shapes, branch, path);
    if ('$ref' in schema) shapes = this.#intersect(shapes, this.#referred(schema, path, inside), path);
    if ('anyOf' in schema) shapes = this.#intersect(shapes, branches('anyOf').flat(), path);
    if ('oneOf' in schema) shapes = this.#one(shapes, branches('oneOf'), within(path, 'oneOf'));
    return shapes;
  }

  #referred(schema: Fields, path: string, above: readonly string[]): readonly Shape[] {
    const at = within(path, '$ref');
    const target = this.document.resolve(textAt(schema, '$ref', path) ?? '', at);
    if (above.includes(target.path)) throw new SchemaFault(at, 'it refers to itself without anything between');
    return this.#expand(target, above);
  }

  /** What fits `shapes` and one of the branches, if none of it can fit two. */
  #one(shapes: readonly Shape[], branches: readonly (readonly Shape[])[], path: string): readonly Shape[] {
    const fitting = branches.map((branch) => this.#intersect(shapes, branch, path));
    for (const [at, branch] of fitting.entries()) {
      for (const other of fitting.slice(at + 1)) {
        const both = this.#intersect(branch, other, path);
        if (both.every((shape) => isEmptyShape(shape, this))) continue;
        throw new SchemaFault(
          path,
          "keyword 'oneOf' is supported only where no value can fit two branches; use 'anyOf'",
        );
      }
    }
    return fitting.flat();
  }

  #own(schema: Fields, path: string): readonly Shape[] {
    const types = typesAt(schema, path) ?? ALL_TYPES;
    const shapes = types
      .filter((type) => type !== 'integer' || !types.includes('number'))
      .map((type) => this.#shapeOfType(type, schema, path));
    const values = valuesAt(schema, path);
    if (values === null) return shapes;
    const fitting = values.filter((value) => shapes.some((shape) => matchesShape(shape, value, this)));
    return fitting.map((value) => ({ kind: 'literal', value }));
  }

  #shapeOfType(type: TypeName, schema: Fields, path: string): Shape {
    switch (type) {
      case 'null':
      case 'boolean':
        return { kind: type };
      case 'integer':
      case 'number':
        return { kind: 'number', path, integer: type === 'integer', ...numberBounds(schema, path) };
      case 'string':
        return {
          kind: 'string',
          least: countAt(schema, 'minLength', path) ?? 0,
          most: countAt(schema, 'maxLength', path),
          patterns: this.#stringPatterns(schema, path),
        };
      case 'array':
        return this.#arrayShape(schema, path);
      case 'object':
        return this.#objectShape(schema, path);
    }
  }

  #stringPatterns(schema: Fields, path: string) {
    const pattern = textAt(schema, 'pattern', path);
    const format = textAt(schema, 'format', path);
    const patterns = pattern === null ? [] : [textPattern(pattern, within(path, 'pattern'))];
    if (format === null) return patterns;
    const at = within(path, 'format');
    const source = FORMATS.get(format);
    if (source === undefined) {
      throw new SchemaFault(
        at,
        `format '${format.slice(0, 64)}' is not supported, only ${[...FORMATS.keys()].join(', ')}`,
      );
    }
    return [...patterns, textPattern(`^(?:${source})$`, at)];
  }

  #arrayShape(schema: Fields, path: string): Shape {
    const listed = listAt(schema, 'prefixItems', path) ?? [];
    if (listed.length > MOST_PREFIX)
      throw new SchemaFault(within(path, 'prefixItems'), `expected at most ${MOST_PREFIX} items`);
    const prefix = listed.map((item, at) => [{ schema: item, path: within(path, 'prefixItems', at) }]);
    const items = 'items' in schema ? [{ schema: schema['items'], path: within(path, 'items') }] : [];
    const least = countAt(schema, 'minItems', path) ?? 0;
    const most = countAt(schema, 'maxItems', path);
    if (!('contains' in schema)) return { kind: 'array', prefix, items, least, most, contains: [] };
    const contained = { schema: schema['contains'], path: within(path, 'contains') };
    const times = countAt(schema, 'minContains', path) ?? 1;
    const contains = [{ item: [contained], least: times, path: within(path, 'contains') }];
    return { kind: 'array', prefix, items, least, most, contains };
  }

  #objectShape(schema: Fields, path: string): Shape {
    const located =
      (name: string) =>
      (key: string, value: unknown): Located => ({ schema: value, path: within(path, name, key) });
    const patterns = fieldsAt(schema, 'patternProperties', path).map(([source, value]) => ({
      keys: textPattern(source, within(path, 'patternProperties', source)).automaton,
      value: located('patternProperties')(source, value),
    }));
    const others =
      'additionalProperties' in schema
        ? { schema: schema['additionalProperties'], path: within(path, 'additionalProperties') }
        : null;
    const properties = new Map(
      fieldsAt(schema, 'properties', path).map(([key, value]) => [key, located('properties')(key, value)]),
    );
    const rules: PropertyRules = { properties, patterns, others };
    return {
      kind: 'object',
      path,
      rules: properties.size + patterns.length === 0 && others === null ? [] : [rules],
      required: requiredAt(schema, path),
      least: countAt(schema, 'minProperties', path) ?? 0,
      most: countAt(schema, 'maxProperties', path),
      names:
        'propertyNames' in schema
          ? [this.#names({ schema: schema['propertyNames'], path: within(path, 'propertyNames') })]
          : [],
    };
  }

  /** Keys that a schema for property names allows. */
  #names(located: Located): TextAutomaton {
    const shapes = this.shapesOf([located]).filter(({ kind }) => kind === 'string' || kind === 'literal');
    return atKeyword(located.path, () => namesAutomaton(shapes));
  }
}

/** Automata of patterns that were asked for before. */
const knownPatterns = new Map<string, TextAutomaton>();
const MOST_KNOWN = 256;
const MOST_KNOWN_STATES = 600;

/** @throws SchemaFault at `path`, that of the keyword */
function textPattern(source: string, path: string) {
  const automaton = knownPatterns.get(source) ?? atKeyword(path, () => patternAutomaton(parsePattern(source), true));
  if (knownPatterns.size >= MOST_KNOWN) knownPatterns.clear();
  if (automaton.length <= MOST_KNOWN_STATES) knownPatterns.set(source, automaton);
  return { automaton, source, path };
}

function anyShapes(path: string): readonly Shape[] {
  return [
    { kind: 'null' },
    { kind: 'boolean' },
    {
      kind: 'number',
      path,
      integer: false,
      least: Number.NEGATIVE_INFINITY,
      most: Number.POSITIVE_INFINITY,
      multiples: [],
    },
    { kind: 'string', least: 0, most: null, patterns: [] },
    { kind: 'array', prefix: [], items: [], least: 0, most: null, contains: [] },
    { kind: 'object', path, rules: [], required: [], least: 0, most: null, names: [] },
  ];
}

function requiredAt(schema: Fields, path: string): readonly string[] {
  const names = listAt(schema, 'required', path) ?? [];
  if (names.every((name) => typeof name === 'string' && name.isWellFormed())) return [...new Set(names as string[])];
  throw new MalformedSchema(within(path, 'required'), 'expected a list of names');
}

function numberBounds(schema: Fields, path: string) {
  const exclusive = (name: string, next: (value: number) => number) => {
    const value = numberAt(schema, name, path);
    return value === null ? [] : [next(value)];
  };
  const multiple = numberAt(schema, 'multipleOf', path);
  if (multiple !== null && multiple <= 0)
    throw new MalformedSchema(within(path, 'multipleOf'), 'expected a number above 0');
  return {
    least: Math.max(...exclusive('minimum', (value) => value), ...exclusive('exclusiveMinimum', nextAbove)),
    most: Math.min(
      ...exclusive('maximum', (value) => value),
      ...exclusive('exclusiveMaximum', (value) => -nextAbove(-value)),
    ),
    multiples: multiple === null ? [] : [multiple],
  };
}

/** The least double above `value`. */
function nextAbove(value: number): number {
  if (value === 0) return Number.MIN_VALUE;
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  bits.setBigInt64(0, bits.getBigInt64(0) + (value > 0 ? 1n : -1n));
  return bits.getFloat64(0);
}
