// The automaton of one rule while it is put together: what those who add parts to it see.
import type { Expression, Rule, TextEncoding } from './expression.ts';
import type { TextAutomaton } from './text-automaton.ts';

export interface NfaState {
  readonly epsilon: number[];
  readonly bytes: { readonly first: number; readonly last: number; readonly to: number }[];
  readonly calls: { readonly rule: number; readonly to: number }[];
  readonly tokens: { readonly token: number; readonly to: number }[];
  /** See STATE_COUNTS. */
  counts: boolean;
}

/** Numbers rules and control tokens of the whole constraint. */
export interface RuleNumbers {
  rule(rule: Rule): number;
  /** A rule that repeats `body`, counting. */
  counted(body: Expression, least: number, most: number | null): number;
  controlToken(text: string): number;
}

/** States are numbers; parts are added from their ends, so that each is told where it goes next. */
export interface NfaBuilder {
  readonly numbers: RuleNumbers;
  /** @throws ConstraintFault when there are too many. */
  addState(): number;
  /** Goes from one state to the other without a byte. */
  connect(from: number, to: number): void;
  addBytes(from: number, first: number, last: number, to: number): void;
  addToken(from: number, token: number, to: number): void;
  /** Adds what matches `expression` and then goes to `next`; returns where it starts. */
  add(expression: Expression, next: number): number;
  addLiteral(text: string, next: number): number;
  /** `counts`: the states between characters count them. */
  addText(automaton: TextAutomaton, encoding: TextEncoding, next: number, counts: boolean): number;
}
