// What an answer with tools must look like: text that is free until a call begins, then calls whose arguments are JSON and fit their
// schema. In: the tools, the choice among them, the model's formats. Out: an expression for the constraint. Pure.
import {
  alternatives,
  controlToken,
  type Expression,
  freeText,
  literal,
  optional,
  repeat,
  sequence,
} from '../constraint/expression.ts';
import type { ToolChoice } from '../conversation/conversation.ts';
import type { AnswerTraits } from '../parts.ts';
import type { CallableTool, CallFormat, CallGrammar } from './answer-format.ts';
import { CALL_FORMATS, REASONING_FORMATS } from './formats.ts';
import { textBefore } from './text-before.ts';

export interface AnswerRules {
  /** Those that may be called. */
  readonly tools: readonly CallableTool[];
  readonly choice: ToolChoice['kind'];
  readonly parallel: boolean;
  readonly reasoningOpen: boolean;
  /** What content must match; null if it is free. */
  readonly content: Expression | null;
}

type Mark = (text: string) => Expression;

/** Null if the answer is free. */
export function constrainAnswer(rules: AnswerRules, traits: AnswerTraits): Expression | null {
  const format = rules.tools.length === 0 ? undefined : CALL_FORMATS.get(traits.calls ?? '');
  if (format === undefined && rules.content === null) return null;
  const special = new Set(traits.specialMarks.map(({ text }) => text));
  const mark: Mark = (text) => (special.has(text) ? controlToken(text) : literal(text));
  const opens = format?.opens ?? [];
  const until = (marks: readonly string[]) => textBefore(marks, mark);
  return sequence(reasoningBefore(rules, traits, opens, mark, until), answerAfter(rules, format, mark, until));
}

function answerAfter(
  { tools, choice, parallel, content }: AnswerRules,
  format: CallFormat | undefined,
  mark: Mark,
  until: (marks: readonly string[]) => Expression,
): Expression {
  if (format === undefined) return content ?? freeText();
  const calls = severalCalls(format.call(tools, mark), parallel);
  if (choice === 'required') return format.framesAnswer ? sequence(until(format.opens), calls) : calls;
  // Content that must match something stands alone: it is the answer that the calls lead to.
  return content === null ? sequence(until(format.opens), optional(calls)) : alternatives(content, calls);
}

function severalCalls({ before, call, between, after }: CallGrammar, parallel: boolean): Expression {
  const more = parallel ? repeat(sequence(between, call), 0, null) : sequence();
  return sequence(before, call, more, after);
}

/** Reasoning comes first, where the model reasons, and no call begins inside it. */
function reasoningBefore(
  { reasoningOpen }: AnswerRules,
  { reasoning }: AnswerTraits,
  opens: readonly string[],
  mark: Mark,
  until: (marks: readonly string[]) => Expression,
): Expression {
  const format = REASONING_FORMATS.get(reasoning ?? '');
  if (format === undefined) return sequence();
  const inside = sequence(
    until([format.close, ...opens]),
    mark(format.close),
    optional(literal('\n')),
    optional(literal('\n')),
  );
  return reasoningOpen ? inside : optional(sequence(mark(format.open), inside));
}
