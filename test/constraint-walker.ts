// Follows a Constraint byte by byte, as plainly as its description says it: what the engine's masks are compared with. Stacks are
// linked lists; all ways are followed at once.
import { type Constraint, STATE_ACCEPTS, STATE_COUNTS } from '../infra/messages/constraint.ts';

interface Frame {
  readonly state: number;
  readonly count: number;
  readonly below: Frame | null;
}

interface Way {
  readonly rule: number;
  readonly state: number;
  readonly count: number;
  readonly stack: Frame | null;
}

export class ConstraintWalker {
  readonly #constraint: Constraint;
  readonly #index: ConstraintIndex;
  #ways: readonly Way[];

  constructor(constraint: Constraint, from: ConstraintWalker | null = null) {
    this.#constraint = constraint;
    this.#index = from === null ? indexOf(constraint) : from.#index;
    this.#ways =
      from === null
        ? this.#close([{ rule: 0, state: constraint.rules[0]?.[0] ?? 0, count: 0, stack: null }])
        : from.#ways;
  }

  clone(): ConstraintWalker {
    return new ConstraintWalker(this.#constraint, this);
  }

  /** True if the text may end here. */
  get mayEnd(): boolean {
    return this.#ways.some((way) => way.stack === null && this.#accepts(way));
  }

  /** True if nothing may follow. */
  get isOver(): boolean {
    return this.nextBytes().length === 0;
  }

  /** False, and at a dead end, if no way goes on with the byte. */
  push(byte: number): boolean {
    this.#ways = this.#close(
      this.#ways.flatMap((way) =>
        this.#edges(way).flatMap(([first, last, to]) => (first <= byte && byte <= last ? this.#arrive(way, to) : [])),
      ),
    );
    return this.#ways.length > 0;
  }

  pushControlToken(text: string): boolean {
    const { tokens, controlTokens } = this.#constraint;
    const moved = this.#ways.flatMap((way) => {
      const own = triples(tokens).filter(([from]) => from === way.state);
      const named = own.filter(([, token]) => controlTokens[token] === text);
      const taken = named.length > 0 ? named : own.filter(([, token]) => token === -1);
      return taken.flatMap(([, , to]) => this.#arrive(way, to));
    });
    this.#ways = this.#close(moved);
    return this.#ways.length > 0;
  }

  pushText(text: string): boolean {
    return [...new TextEncoder().encode(text)].every((byte) => this.push(byte));
  }

  /** Bytes that may follow. */
  nextBytes(): readonly number[] {
    const bytes = new Set<number>();
    for (const way of this.#ways) {
      for (const [first, last] of this.#edges(way)) for (let byte = first; byte <= last; byte += 1) bytes.add(byte);
    }
    return [...bytes].sort((left, right) => left - right);
  }

  #edges(way: Way): readonly (readonly [first: number, last: number, to: number])[] {
    return this.#leads(way) ? (this.#index.edges[way.state] ?? []) : [];
  }

  #arrive({ rule, count, stack }: Way, state: number): Way[] {
    return [{ rule, state, count: count + (this.#has(state, STATE_COUNTS) ? 1 : 0), stack }];
  }

  #has(state: number, flag: number): boolean {
    return ((this.#constraint.flags[state] ?? 0) & flag) !== 0;
  }

  /** Whether edges and calls may be taken. */
  #leads({ rule, state, count }: Way): boolean {
    const [, , most = 0] = this.#constraint.rules[rule] ?? [];
    return !this.#has(state, STATE_COUNTS) || count < most;
  }

  #accepts({ rule, state, count }: Way): boolean {
    const [, least = 0] = this.#constraint.rules[rule] ?? [];
    return this.#has(state, STATE_ACCEPTS) && (!this.#has(state, STATE_COUNTS) || count >= least);
  }

  #close(ways: readonly Way[]): readonly Way[] {
    const closed = new Map<string, Way>();
    const waiting = [...ways];
    for (let way = waiting.pop(); way !== undefined; way = waiting.pop()) {
      const key = keyOf(way);
      if (closed.has(key)) continue;
      closed.set(key, way);
      const { stack } = way;
      if (stack !== null && this.#accepts(way)) {
        const caller = {
          rule: this.#index.ruleOf[stack.state] ?? 0,
          count: stack.count,
          stack: stack.below,
          state: stack.state,
        };
        waiting.push(...this.#arrive(caller, stack.state));
      }
      for (const [rule, to] of this.#index.calls[way.state] ?? []) {
        if (!this.#leads(way)) continue;
        const called = { state: to, count: way.count, below: way.stack };
        waiting.push({ rule, state: this.#constraint.rules[rule]?.[0] ?? 0, count: 0, stack: called });
      }
    }
    return [...closed.values()];
  }
}

function keyOf(way: Way): string {
  let key = `${way.state}:${way.count}`;
  for (let frame = way.stack; frame !== null; frame = frame.below) key += `/${frame.state}:${frame.count}`;
  return key;
}

function triples(flat: readonly number[]): readonly (readonly [number, number, number])[] {
  return Array.from({ length: flat.length / 3 }, (_, at) => [
    flat[3 * at] ?? 0,
    flat[3 * at + 1] ?? 0,
    flat[3 * at + 2] ?? 0,
  ]);
}

interface ConstraintIndex {
  readonly edges: readonly (readonly (readonly [first: number, last: number, to: number])[])[];
  readonly calls: readonly (readonly (readonly [rule: number, to: number])[])[];
  /** By state. */
  readonly ruleOf: readonly number[];
}

function indexOf(constraint: Constraint): ConstraintIndex {
  const { flags, edges } = constraint;
  const edgesOf = flags.map((): (readonly [number, number, number])[] => []);
  const callsOf = flags.map((): (readonly [number, number])[] => []);
  for (let at = 0; at < edges.length; at += 4) {
    edgesOf[edges[at] ?? 0]?.push([edges[at + 1] ?? 0, edges[at + 2] ?? 0, edges[at + 3] ?? 0]);
  }
  for (const [from, rule, to] of triples(constraint.calls)) callsOf[from]?.push([rule, to]);
  return { edges: edgesOf, calls: callsOf, ruleOf: rulesOf(constraint) };
}

/** The rule of each state: that from whose start it is reached. */
function rulesOf({ rules, flags, edges, calls, tokens }: Constraint): readonly number[] {
  const next = flags.map((): number[] => []);
  for (let at = 0; at < edges.length; at += 4) next[edges[at] ?? 0]?.push(edges[at + 3] ?? 0);
  for (const [from, , to] of [...triples(calls), ...triples(tokens)]) next[from]?.push(to);
  const ruleOf = flags.map(() => 0);
  for (const [rule, [start]] of rules.entries()) {
    const seen = new Set([start]);
    for (const state of seen) for (const to of next[state] ?? []) seen.add(to);
    for (const state of seen) ruleOf[state] = rule;
  }
  return ruleOf;
}
