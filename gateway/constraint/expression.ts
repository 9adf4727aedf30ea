// What an answer must match, put together from parts. JSON Schemas, regular expressions and grammars become expressions, and so
// does a model family's format of tool calls. `compileConstraint` turns them into the automaton that workers run.
//
// const call = sequence(literal('{"name": "get_time", "arguments": '), jsonSchema(parameters, 'tools[0].function.parameters'), literal('}'));
// compileConstraint(freeTextUntil([{ trigger: '<tool_call>', continuation: sequence(call, literal('</tool_call>')) }]));
import type { TextAutomaton } from './text-automaton.ts';

export type Expression =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'sequence'; readonly parts: readonly Expression[] }
  | { readonly kind: 'alternatives'; readonly choices: readonly Expression[] }
  /** `most`: null has no limit. */
  | { readonly kind: 'repeat'; readonly body: Expression; readonly least: number; readonly most: number | null }
  /** Text in UTF-8, or as it stands between the quotes of a JSON string. */
  | { readonly kind: 'text'; readonly automaton: TextAutomaton; readonly encoding: TextEncoding }
  | {
      readonly kind: 'counted-text';
      readonly encoding: TextEncoding;
      readonly automaton: TextAutomaton;
      readonly least: number;
      readonly most: number | null;
    }
  | { readonly kind: 'rule'; readonly rule: Rule }
  /** From node 0, along edges, to a node that accepts. */
  | { readonly kind: 'graph'; readonly nodes: readonly GraphNode[] }
  | { readonly kind: 'control-token'; readonly token: string }
  | { readonly kind: 'free'; readonly exits: readonly FreeTextExit[] }
  | Members;

export interface GraphNode {
  readonly accepts: boolean;
  readonly edges: readonly { readonly expression: Expression; readonly to: number }[];
}

/**
 * `plain`: as it is. `json`: escapes only where JSON needs them, as JSON.stringify writes them. `json-escapes`: every escape
 * that JSON allows.
 */
export type TextEncoding = 'plain' | 'json' | 'json-escapes';

/** A part with a name, which may contain itself. */
export interface Rule {
  readonly name: string;
  expression: Expression | null;
}

export interface FreeTextExit {
  /** A text, which may come in any tokens, or an added token of the vocabulary. */
  readonly trigger: string | { readonly controlToken: string };
  /** What must follow the trigger; then the text is free again. */
  readonly continuation: Expression;
}

/** An object's members, in the order of `declared`; the others come last. */
export interface Members {
  readonly kind: 'members';
  readonly declared: readonly DeclaredMember[];
  readonly others: readonly OtherMembers[];
  /** Number of members. */
  readonly least: number;
  /** null has no limit. */
  readonly most: number | null;
  /** For messages. */
  readonly path: string;
}

export interface DeclaredMember {
  readonly key: string;
  readonly value: Expression;
  readonly required: boolean;
}

/** Members whose keys are of one kind. */
export interface OtherMembers {
  readonly keys: TextAutomaton;
  readonly value: Expression;
}

export const NOTHING: Expression = { kind: 'sequence', parts: [] };

/** Exactly this text. */
export function literal(text: string): Expression {
  return { kind: 'literal', text };
}

export function sequence(...parts: readonly Expression[]): Expression {
  return { kind: 'sequence', parts };
}

/** One of `choices`; without any, nothing matches. */
export function alternatives(...choices: readonly Expression[]): Expression {
  return { kind: 'alternatives', choices };
}

/** `most`: null has no limit. */
export function repeat(body: Expression, least: number, most: number | null): Expression {
  return { kind: 'repeat', body, least, most };
}

export function optional(body: Expression): Expression {
  return { kind: 'repeat', body, least: 0, most: 1 };
}

/** An added token of the vocabulary by its text. Text that spells it does not match. */
export function controlToken(token: string): Expression {
  return { kind: 'control-token', token };
}

/** Any text and any control tokens; the answer may end anywhere. */
export function freeText(): Expression {
  return { kind: 'free', exits: [] };
}

/** Free text in which each trigger must be followed by what belongs to it. Of triggers that end together the longest counts. */
export function freeTextUntil(exits: readonly FreeTextExit[]): Expression {
  return { kind: 'free', exits };
}
