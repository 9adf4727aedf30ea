// An expression -> the automaton that workers run. Each rule is made deterministic on bytes; what no answer can get through is
// removed, so that a worker which follows the automaton never gets stuck. Sizes, and with them time, are bounded.
import {
  type Constraint,
  type ConstraintRule,
  MOST_CONSTRAINT_EDGES,
  MOST_CONSTRAINT_STATES,
  NO_LIMIT,
  STATE_ACCEPTS,
  STATE_COUNTS,
} from '../../infra/messages/constraint.ts';
import { ConstraintFault } from './constraint-fault.ts';
import { type CompiledRule, determineRule, type RuleState } from './determine-rule.ts';
import type { Expression, Rule } from './expression.ts';
import type { RuleNumbers } from './nfa-builder.ts';
import { findLeftRecursion, findProductive, isAlive } from './rule-liveness.ts';
import { RuleNfa } from './rule-nfa.ts';

/** What becomes rule `at`: a named one, or a repetition that is counted. */
interface PlannedRule {
  readonly name: string;
  readonly body: () => Expression;
  readonly counts: { readonly least: number; readonly most: number } | null;
}

/** @throws ConstraintFault for an expression that nothing matches, or that needs too much. */
export function compileConstraint(expression: Expression): Constraint {
  const rules = new RuleCompiler().compile(expression);
  const leftRecursive = findLeftRecursion(rules);
  if (leftRecursive !== null) throw new ConstraintFault('a rule contains itself before anything else');
  const productive = findProductive(rules);
  if (!productive.has(0)) throw new ConstraintFault('nothing matches it');
  return emit(rules, productive);
}

class RuleCompiler implements RuleNumbers {
  readonly #planned: PlannedRule[] = [];
  readonly #ids = new Map<Rule, number>();
  readonly #counted = new Map<Expression, Map<string, number>>();
  readonly controlTokens: string[] = [];
  readonly #budget = { nfaStates: 0, work: 0 };

  compile(root: Expression): CompiledRule[] & { controlTokens: readonly string[] } {
    this.#plan({ name: 'root', body: () => root, counts: null });
    const compiled: CompiledRule[] = [];
    for (const planned of this.#planned) compiled.push(this.#compileRule(planned));
    return Object.assign(compiled, { controlTokens: this.controlTokens });
  }

  rule(rule: Rule): number {
    const known = this.#ids.get(rule);
    if (known !== undefined) return known;
    const body = () => {
      if (rule.expression === null) throw new ConstraintFault(`rule '${rule.name}' is not defined`);
      return rule.expression;
    };
    const id = this.#plan({ name: rule.name, body, counts: null });
    this.#ids.set(rule, id);
    return id;
  }

  counted(body: Expression, least: number, most: number | null): number {
    const ofBody = this.#counted.get(body) ?? new Map<string, number>();
    this.#counted.set(body, ofBody);
    const key = `${least},${most}`;
    const id =
      ofBody.get(key) ?? this.#plan({ name: 'repeat', body: () => body, counts: { least, most: most ?? NO_LIMIT } });
    ofBody.set(key, id);
    return id;
  }

  controlToken(text: string): number {
    const at = this.controlTokens.indexOf(text);
    return at === -1 ? this.controlTokens.push(text) - 1 : at;
  }

  #plan(rule: PlannedRule): number {
    return this.#planned.push(rule) - 1;
  }

  #compileRule({ body, counts }: PlannedRule): CompiledRule {
    const nfa = new RuleNfa(this, this.#budget);
    const accept = nfa.addState();
    const start = counts === null ? nfa.add(body(), accept) : this.#addCounted(nfa, body(), accept);
    return {
      states: determineRule(nfa.states, start, accept, this.#budget),
      least: counts?.least ?? 0,
      most: counts?.most ?? 0,
    };
  }

  #addCounted(nfa: RuleNfa, body: Expression, accept: number): number {
    if (body.kind === 'counted-text') return nfa.addText(body.automaton, body.encoding, accept, true);
    const loop = nfa.addState();
    const state = nfa.states[loop];
    if (state !== undefined) state.counts = true;
    nfa.connect(loop, accept);
    nfa.states[loop]?.calls.push({ rule: this.rule(ruleOf(body)), to: loop });
    return loop;
  }
}

const bodies = new WeakMap<Expression, Rule>();

function ruleOf(body: Expression): Rule {
  if (body.kind === 'rule') return body.rule;
  const rule = bodies.get(body) ?? { name: 'repeated', expression: body };
  bodies.set(body, rule);
  return rule;
}

/** Joins the rules' states that lie on a way to an end. */
function emit(
  rules: readonly CompiledRule[] & { readonly controlTokens: readonly string[] },
  productive: ReadonlySet<number>,
): Constraint {
  const ruleIds = new Map([...productive].sort((a, b) => a - b).map((rule, id) => [rule, id]));
  const emitted: ConstraintRule[] = [];
  const [flags, edges, calls, tokens]: number[][] = [[], [], [], []];
  for (const rule of ruleIds.keys()) {
    const { states, least, most } = rules[rule] ?? { states: [], least: 0, most: 0 };
    const alive = isAlive(states, productive);
    const base = flags?.length ?? 0;
    const places = new Map([...alive].sort((a, b) => a - b).map((state, at) => [state, base + at]));
    emitted.push([places.get(0) ?? base, least, most]);
    for (const [state, from] of places) {
      const { accepts, counts, ...out } = states[state] ?? EMPTY;
      flags?.push((accepts ? STATE_ACCEPTS : 0) + (counts ? STATE_COUNTS : 0));
      for (const { first, last, to } of out.bytes)
        if (places.has(to)) edges?.push(from, first, last, places.get(to) ?? 0);
      for (const { rule: called, to } of out.calls) {
        if (places.has(to) && ruleIds.has(called)) calls?.push(from, ruleIds.get(called) ?? 0, places.get(to) ?? 0);
      }
      for (const { token, to } of out.tokens) if (places.has(to)) tokens?.push(from, token, places.get(to) ?? 0);
    }
  }
  const constraint = {
    version: 1 as const,
    rules: emitted,
    flags: flags ?? [],
    edges: edges ?? [],
    calls: calls ?? [],
    tokens: tokens ?? [],
    controlTokens: rules.controlTokens,
  };
  const size = constraint.edges.length / 4 + (constraint.calls.length + constraint.tokens.length) / 3;
  if (constraint.flags.length > MOST_CONSTRAINT_STATES || size > MOST_CONSTRAINT_EDGES) {
    throw new ConstraintFault('it needs an automaton that is too large');
  }
  return Object.freeze(constraint);
}

const EMPTY: RuleState = { accepts: false, counts: false, bytes: [], calls: [], tokens: [] };
