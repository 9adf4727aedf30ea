// Free text that stops before a mark.
import { alternatives, type Expression, freeTextUntil } from '../constraint/expression.ts';

/** Free text in which none of the marks is complete. `mark`: what a mark is, text or a special token. */
export function textBefore(marks: readonly string[], mark: (text: string) => Expression): Expression {
  const nothingMatches = alternatives();
  return freeTextUntil(marks.map((each) => ({ trigger: triggerOf(mark(each), each), continuation: nothingMatches })));
}

function triggerOf(expression: Expression, text: string) {
  return expression.kind === 'control-token' ? { controlToken: expression.token } : text;
}
