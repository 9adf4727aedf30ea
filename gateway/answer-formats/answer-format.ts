// What a format of answers provides. A format is how a family of models writes calls or reasoning into its text; each is a file of
// this folder, listed in formats.ts.
import type { Expression } from '../constraint/expression.ts';
import type { JsonObject, ToolCall } from '../conversation/conversation.ts';
import type { Routine, TextReader } from './text-reader.ts';

/** Where a parser reports what it reads, in order. */
export interface AnswerSink {
  readonly text: (text: string) => void;
  readonly reasoning: (text: string) => void;
  readonly endReasoning: () => void;
  /** Begins a call; its arguments follow as JSON text in pieces, then its end. */
  readonly beginCall: (name: string) => void;
  readonly callArguments: (json: string) => void;
  readonly endCall: () => void;
}

export interface ReadingContext {
  /** Names of a tool's parameters whose values are text, for formats that write text without quotes. */
  readonly textParametersOf: (tool: string) => readonly string[];
}

export interface CallableTool {
  readonly name: string;
  readonly parameters: JsonObject;
  /** JSON text of the arguments. */
  readonly arguments: Expression;
}

/** Calls of one answer: `before`, calls with `between` them, `after`. */
export interface CallGrammar {
  readonly before: Expression;
  readonly call: Expression;
  readonly between: Expression;
  readonly after: Expression;
}

/** How a family writes calls of tools. */
export interface CallFormat {
  /** The texts that announce calls. Reasoning that was not closed ends with them. */
  readonly opens: readonly string[];
  /** More of its marks: those of them that are special tokens have to be shown as text. */
  readonly marks: readonly string[];
  /** Every answer is written in this format, with calls or without, reasoning included. */
  readonly framesAnswer?: true;
  /** The id that a chat template is given for a call of earlier turns, if the format has a form of its own. `number`: from 0, over all turns. */
  readonly templateCallId?: (call: ToolCall, number: number) => string;
  /** Whether the chat template is given the arguments of earlier calls as objects, or as the JSON text of one. */
  readonly argumentsAs: 'object' | 'text';
  /** Values that are text stand without quotes, so their parameters' types have to be known. */
  readonly writesBareText: boolean;
  /**
   * Reads text and calls until the end of the answer. Text that turns out not to be a call is text.
   */
  /**
   * What a call must look like from its opening mark on: the `tools` that may be called, each with what its arguments must match. `mark`
   * gives a mark of the format, which may be a special token.
   */
  call(tools: readonly CallableTool[], mark: (text: string) => Expression): CallGrammar;
  read(input: TextReader, out: AnswerSink, context: ReadingContext): Routine;
}

/** How a family writes reasoning: between two marks, at the start of an answer. */
export interface ReasoningFormat {
  readonly open: string;
  readonly close: string;
}
