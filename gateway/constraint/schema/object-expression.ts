// Objects of a shape: declared properties in the order in which schemas name them, then those whose keys patterns or nothing name,
// by classes of keys.
import { alternatives, type Expression } from '../expression.ts';
import { ANY_TEXT, acceptsText, intersect, subtract, type TextAutomaton, wordsAutomaton } from '../text-automaton.ts';
import { atKeyword, SchemaFault, within } from './schema-fault.ts';
import { type Conjunction, type Located, type ObjectShape, propertySchemas } from './shapes.ts';

const MOST_CLASSES = 64;

/** @throws SchemaFault */
export function objectExpression(
  shape: ObjectShape,
  expressionOf: (conjunction: Conjunction) => Expression,
): Expression {
  const names = declaredNames(shape);
  if (shape.required.some((name) => !names.includes(name))) return alternatives();
  const declared = names.map((key) => ({
    key,
    value: expressionOf(propertySchemas(shape.rules, key)),
    required: shape.required.includes(key),
  }));
  const others = keyClasses(shape, names).map(({ keys, value }) => ({ keys, value: expressionOf(value) }));
  const least = leastCounted(shape, others.length > 0);
  if (shape.most !== null && Math.max(least, shape.required.length) > shape.most) return alternatives();
  return { kind: 'members', declared, others, least, most: shape.most, path: shape.path };
}

/** Keys that schemas name and that may stand in the object. */
function declaredNames({ rules, required, names }: ObjectShape): readonly string[] {
  const all = [...new Set([...rules.flatMap(({ properties }) => [...properties.keys()]), ...required])];
  return all.filter((name) => names.every((allowed) => acceptsText(allowed, name)));
}

/** A key may come twice, so other properties cannot be counted towards a least number, beyond the first. */
function leastCounted({ least, required, path }: ObjectShape, others: boolean): number {
  if (least <= required.length) return 0;
  if (!others || least === 1) return least;
  throw new SchemaFault(
    within(path, 'minProperties'),
    "keyword 'minProperties' is supported only without additional properties",
  );
}

interface KeyClass {
  readonly keys: TextAutomaton;
  readonly value: Conjunction;
}

/** Keys that are not declared, by the schemas that apply to them. */
function keyClasses({ rules, names, path }: ObjectShape, declared: readonly string[]): readonly KeyClass[] {
  if (rules.some(({ patterns, others }) => others?.schema === false && patterns.length === 0)) return [];
  const at = within(path, 'patternProperties');
  return atKeyword(at, () => {
    const undeclared = declared.length === 0 ? ANY_TEXT : subtract(ANY_TEXT, wordsAutomaton(declared));
    const base: KeyClass = { keys: names.reduce(intersect, undeclared), value: [] };
    const classes = rules.reduce<readonly KeyClass[]>(
      (all, { patterns, others }) => {
        return all.flatMap((each) => splitClass(each, patterns, others, at));
      },
      [base],
    );
    return classes.filter(({ keys, value }) => keys.length > 0 && value.every(({ schema }) => schema !== false));
  });
}

/** A class by which of one schema's patterns its keys match. */
function splitClass(
  whole: KeyClass,
  patterns: ObjectShape['rules'][number]['patterns'],
  others: Located | null,
  path: string,
): readonly KeyClass[] {
  let parts: readonly { readonly keys: TextAutomaton; readonly matched: readonly Located[] }[] = [
    { keys: whole.keys, matched: [] },
  ];
  for (const { keys: pattern, value } of patterns) {
    parts = parts
      .flatMap(({ keys, matched }) => [
        { keys: intersect(keys, pattern), matched: [...matched, value] },
        { keys: subtract(keys, pattern), matched },
      ])
      .filter(({ keys }) => keys.length > 0);
    if (parts.length > MOST_CLASSES) throw new SchemaFault(path, 'too many patterns match the same properties');
  }
  return parts.map(({ keys, matched }) => {
    const applied = matched.length > 0 ? matched : others === null ? [] : [others];
    return { keys, value: [...whole.value, ...applied] };
  });
}
