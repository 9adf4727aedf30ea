// The subset construction for one rule: deterministic on bytes. Calls of one rule from one state are joined, and so are edges of
// one control token, but calls stay beside bytes: a worker follows all ways at once.
import { ConstraintFault } from './constraint-fault.ts';
import type { NfaState } from './nfa-builder.ts';
import { splitRanges } from './text-automaton.ts';

export interface RuleState {
  readonly accepts: boolean;
  readonly counts: boolean;
  /** Disjoint, ascending. */
  readonly bytes: readonly { readonly first: number; readonly last: number; readonly to: number }[];
  readonly calls: readonly { readonly rule: number; readonly to: number }[];
  readonly tokens: readonly { readonly token: number; readonly to: number }[];
}

/** A rule whose states are numbered from 0, which it starts in. */
export interface CompiledRule {
  readonly states: readonly RuleState[];
  readonly least: number;
  /** 0 for a rule that does not count. */
  readonly most: number;
}

const MOST_WORK = 1_500_000;
const MOST_STATES = 100_000;

/** State 0 of the result is the start. `budget`: of all rules of a constraint. @throws ConstraintFault */
export function determineRule(
  nfa: readonly NfaState[],
  start: number,
  accept: number,
  budget: { work: number },
): readonly RuleState[] {
  const ids = new Map<string, number>();
  const sets: (readonly number[])[] = [];
  const numberOf = (seeds: readonly number[]): number => {
    const set = closure(nfa, seeds, budget);
    const key = set.length === 1 ? String(set[0]) : set.join();
    const known = ids.get(key);
    if (known !== undefined) return known;
    if (sets.length >= MOST_STATES) throw tooLarge();
    ids.set(key, sets.length);
    return sets.push(set) - 1;
  };
  numberOf([start]);
  const states: RuleState[] = [];
  for (let at = 0; at < sets.length; at += 1) {
    const members = (sets[at] ?? []).flatMap((id) => nfa[id] ?? []);
    const bytes = splitRanges(members.flatMap((state) => state.bytes));
    states.push({
      accepts: sets[at]?.includes(accept) ?? false,
      counts: members.some(({ counts }) => counts),
      bytes: joinRanges(bytes.map(({ first, last, targets }) => ({ first, last, to: numberOf(targets) }))),
      calls: joinBy(members.flatMap(({ calls }) => calls.map(({ rule, to }) => [rule, to] as const))).map(
        ([rule, to]) => ({
          rule,
          to: numberOf(to),
        }),
      ),
      tokens: joinBy(members.flatMap(({ tokens }) => tokens.map(({ token, to }) => [token, to] as const))).map(
        ([token, to]) => ({ token, to: numberOf(to) }),
      ),
    });
  }
  return states;
}

function closure(nfa: readonly NfaState[], seeds: readonly number[], budget: { work: number }): readonly number[] {
  const seen = new Set(seeds);
  for (const id of seen) for (const next of nfa[id]?.epsilon ?? []) seen.add(next);
  budget.work += seen.size;
  if (budget.work > MOST_WORK) throw tooLarge();
  // States that only lead on are no part of what a set does.
  const kept = [...seen].filter((id) => isUseful(nfa[id]));
  return kept.sort((left, right) => left - right);
}

function isUseful(state: NfaState | undefined): boolean {
  if (state === undefined) return false;
  const leads = state.bytes.length + state.calls.length + state.tokens.length > 0;
  return leads || state.counts || state.epsilon.length === 0;
}

function joinBy(
  pairs: readonly (readonly [key: number, to: number])[],
): readonly (readonly [number, readonly number[]])[] {
  const joined = new Map<number, number[]>();
  for (const [key, to] of pairs) {
    const targets = joined.get(key) ?? [];
    joined.set(key, targets);
    if (!targets.includes(to)) targets.push(to);
  }
  return [...joined];
}

function joinRanges(edges: readonly { first: number; last: number; to: number }[]) {
  const joined: { first: number; last: number; to: number }[] = [];
  for (const { first, last, to } of edges) {
    const top = joined.at(-1);
    if (top !== undefined && top.to === to && top.last === first - 1) top.last = last;
    else joined.push({ first, last, to });
  }
  return joined;
}

function tooLarge(): ConstraintFault {
  return new ConstraintFault('it needs an automaton that is too large');
}
