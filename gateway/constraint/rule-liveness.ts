// Which rules of a constraint can end, which of their states lie on a way to an end, and which rules loop without progress.
import { ConstraintFault } from './constraint-fault.ts';
import type { CompiledRule, RuleState } from './determine-rule.ts';

const MOST_WORK = 5_000_000;

/** The rules that can be got through. Rule 0 among them means that something matches. @throws ConstraintFault */
export function findProductive(rules: readonly CompiledRule[]): ReadonlySet<number> {
  const productive = new Set<number>();
  let work = 0;
  // Rules mostly come before those that they call, so the first pass, from the back, finds almost all.
  let order = [...rules.keys()].reverse();
  for (let grew = true; grew; order = order.toReversed()) {
    const before = productive.size;
    for (const rule of order) {
      work += rules[rule]?.states.length ?? 0;
      if (work > MOST_WORK) throw new ConstraintFault('its rules contain each other in too many ways');
      if (canEnd(rules[rule], productive)) productive.add(rule);
    }
    order = order.filter((rule) => !productive.has(rule));
    grew = productive.size > before && order.length > 0;
  }
  return productive;
}

function canEnd(rule: CompiledRule | undefined, productive: ReadonlySet<number>): boolean {
  if (rule === undefined) return false;
  const alive = isAlive(rule.states, productive);
  if (rule.most === 0 || rule.least === 0) return alive.has(0);
  // A counted rule has to get somewhere first.
  let leads = false;
  for (const at of alive) {
    const state = rule.states[at];
    if (state !== undefined) eachTarget(state, productive, (to) => (leads ||= alive.has(to)));
  }
  return leads;
}

/** States of a rule from which it can end, by way of rules that can. */
export function isAlive(states: readonly RuleState[], productive: ReadonlySet<number>): ReadonlySet<number> {
  const sources = states.map((): number[] => []);
  for (const [from, state] of states.entries()) eachTarget(state, productive, (to) => sources[to]?.push(from));
  const alive = new Set<number>();
  for (const [at, { accepts }] of states.entries()) if (accepts) alive.add(at);
  for (const state of alive) for (const source of sources[state] ?? []) alive.add(source);
  return alive;
}

function eachTarget(
  { bytes, calls, tokens }: RuleState,
  productive: ReadonlySet<number>,
  visit: (to: number) => void,
): void {
  for (const { to } of bytes) visit(to);
  for (const { rule, to } of calls) if (productive.has(rule)) visit(to);
  for (const { to } of tokens) visit(to);
}

/** A rule that can contain itself before any byte; null if there is none. */
export function findLeftRecursion(rules: readonly CompiledRule[]): number | null {
  const empty = findEmpty(rules);
  const leading = rules.map(({ states }) => leadingCalls(states, empty));
  const finished = new Set<number>();
  for (const root of rules.keys()) {
    const path = new Set<number>();
    const stack: { readonly rule: number; readonly left: number[] }[] = [
      { rule: root, left: [...(leading[root] ?? [])] },
    ];
    path.add(root);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.left.pop();
      if (next === undefined) {
        finished.add(top.rule);
        path.delete(top.rule);
        stack.pop();
      } else if (path.has(next)) return next;
      else if (!finished.has(next)) {
        path.add(next);
        stack.push({ rule: next, left: [...(leading[next] ?? [])] });
      }
    }
  }
  return null;
}

/** Rules that match the empty text. */
function findEmpty(rules: readonly CompiledRule[]): ReadonlySet<number> {
  const empty = new Set<number>();
  for (let grew = true; grew; ) {
    const before = empty.size;
    for (const [rule, { states }] of rules.entries()) {
      if (reachable(states, empty).some((state) => states[state]?.accepts)) empty.add(rule);
    }
    grew = empty.size > before;
  }
  return empty;
}

function leadingCalls(states: readonly RuleState[], empty: ReadonlySet<number>): readonly number[] {
  return reachable(states, empty).flatMap((state) => states[state]?.calls.map(({ rule }) => rule) ?? []);
}

/** States that a rule reaches without a byte. */
function reachable(states: readonly RuleState[], empty: ReadonlySet<number>): readonly number[] {
  const seen = new Set([0]);
  for (const state of seen) {
    for (const { rule, to } of states[state]?.calls ?? []) if (empty.has(rule)) seen.add(to);
  }
  return [...seen];
}
