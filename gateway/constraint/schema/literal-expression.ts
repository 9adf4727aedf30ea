// One JSON value as text, with the white space that others have too.
import { type Expression, literal, sequence } from '../expression.ts';
import { AFTER_COLON, BETWEEN } from '../json-space.ts';
import type { Json } from './shapes.ts';

export function literalExpression(value: Json): Expression {
  if (typeof value !== 'object' || value === null) return literal(JSON.stringify(value));
  if (Array.isArray(value)) return enclosed('[', value.map(literalExpression), ']');
  const members = Object.entries(value).map(([key, member]) =>
    sequence(literal(`${JSON.stringify(key)}:`), AFTER_COLON, literalExpression(member)),
  );
  return enclosed('{', members, '}');
}

function enclosed(open: string, parts: readonly Expression[], close: string): Expression {
  if (parts.length === 0) return literal(`${open}${close}`);
  const separated = parts.flatMap((part, at) => (at === 0 ? [BETWEEN, part] : [literal(','), BETWEEN, part]));
  return sequence(literal(open), ...separated, BETWEEN, literal(close));
}
