// What an answer must match: a pushdown automaton over the bytes of its text. The gateway compiles it from a JSON Schema, a
// regular expression, a list of choices or a grammar; workers compute from it which tokens may come next. It travels in the
// GenerationRequest.

/** `start`: the state a rule starts in. A counted rule, one with `most` > 0, is left after `least` to `most` arrivals at marked states. */
export type ConstraintRule = readonly [start: number, least: number, most: number];

/** For the `most` of a counted rule without a limit. */
export const NO_LIMIT = 0xffff_ffff;

/** Flags of a state. */
export const STATE_ACCEPTS = 1;
/**
 * The rule's count grows on arrival by an edge or a call; edges and calls lead on only while it is below `most`, and the rule
 * ends here only from `least` on.
 */
export const STATE_COUNTS = 2;

/** In `tokens`: every control token that no other edge of the state names. */
export const ANY_CONTROL_TOKEN = -1;

/** Each state belongs to one rule. Numbers lie flat in lists, as the engine takes them. */
export interface Constraint {
  readonly version: 1;
  /** Rule 0 is the whole answer. */
  readonly rules: readonly ConstraintRule[];
  /** By state. */
  readonly flags: readonly number[];
  /** [edges, 4]: from, first byte, last byte, to. By `from`, then by byte; a state has at most one edge for a byte. */
  readonly edges: readonly number[];
  /** [calls, 3]: from, rule, to. The rule matches what follows, then `to` goes on. */
  readonly calls: readonly number[];
  /** [edges, 3]: from, index into `controlTokens` or ANY_CONTROL_TOKEN, to. */
  readonly tokens: readonly number[];
  /** Texts of added tokens of the vocabulary, which match as whole tokens. */
  readonly controlTokens: readonly string[];
}

/** Sizes beyond which a gateway refuses and a worker does not read a constraint. */
export const MOST_CONSTRAINT_STATES = 60_000;
export const MOST_CONSTRAINT_EDGES = 200_000;
