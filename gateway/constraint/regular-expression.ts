// A regular expression as an expression of a constraint.
import { ConstraintFault } from './constraint-fault.ts';
import type { Expression } from './expression.ts';
import { PatternFault, parsePattern } from './pattern-syntax.ts';
import { patternAutomaton } from './text-automaton.ts';

/** Text that a whole regular expression (ECMA-262, flag u) matches. @throws ConstraintFault */
export function regularExpression(source: string): Expression {
  return { kind: 'text', automaton: refusing(() => patternAutomaton(parsePattern(source), false)), encoding: 'plain' };
}

/** Runs what throws a PatternFault. @throws ConstraintFault instead */
export function refusing<T>(build: () => T): T {
  try {
    return build();
  } catch (thrown) {
    if (thrown instanceof PatternFault) throw new ConstraintFault(thrown.message, { cause: thrown });
    throw thrown;
  }
}
