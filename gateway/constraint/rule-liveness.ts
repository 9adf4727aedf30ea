// Which rules of a constraint can end, which of their states lie on a way to an end, and which rules loop without progress.
import type { CompiledRule, RuleState } from './determine-rule.ts';

/** The rules that can be got through. Rule 0 among them means that something matches. */
export function findProductive(rules: readonly CompiledRule[]): ReadonlySet<number> {
  const productive = new Set<number>();
  const callers = callersOf(rules);
  const waiting = [...rules.keys()];
  for (let rule = waiting.pop(); rule !== undefined; rule = waiting.pop()) {
    if (productive.has(rule) || !canEnd(rules[rule], productive)) continue;
    productive.add(rule);
    waiting.push(...(callers.get(rule) ?? []));
  }
  return productive;
}

function callersOf(rules: readonly CompiledRule[]): ReadonlyMap<number, readonly number[]> {
  const callers = new Map<number, number[]>();
  for (const [caller, { states }] of rules.entries()) {
    for (const { calls } of states) {
      for (const { rule } of calls) callers.set(rule, [...(callers.get(rule) ?? []), caller]);
    }
  }
  return callers;
}

function canEnd(rule: CompiledRule | undefined, productive: ReadonlySet<number>): boolean {
  if (rule === undefined) return false;
  const alive = isAlive(rule.states, productive);
  if (rule.most === 0 || rule.least === 0) return alive.has(0);
  // A counted rule has to get somewhere first.
  return rule.states.some((state, at) => alive.has(at) && targetsOf(state, productive).some((to) => alive.has(to)));
}

/** States of a rule from which it can end, by way of rules that can. */
export function isAlive(states: readonly RuleState[], productive: ReadonlySet<number>): ReadonlySet<number> {
  const sources = states.map((): number[] => []);
  for (const [from, state] of states.entries()) for (const to of targetsOf(state, productive)) sources[to]?.push(from);
  const alive = new Set(states.flatMap(({ accepts }, at) => (accepts ? [at] : [])));
  for (const state of alive) for (const source of sources[state] ?? []) alive.add(source);
  return alive;
}

function targetsOf({ bytes, calls, tokens }: RuleState, productive: ReadonlySet<number>): readonly number[] {
  const entered = calls.filter(({ rule }) => productive.has(rule));
  return [...bytes, ...entered, ...tokens].map(({ to }) => to);
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
