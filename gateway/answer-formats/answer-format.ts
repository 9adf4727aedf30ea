// What a format of answers provides. A format is how a family of models writes calls or reasoning into its text; each is a file of
// this folder, listed in formats.ts.
import type { Routine, TextReader } from './text-reader.ts';

/** Where a parser reports what it reads, in order. */
export interface AnswerSink {
  readonly text: (text: string) => void;
  readonly reasoning: (text: string) => void;
  /** Begins a call; its arguments follow as JSON text in pieces, then its end. */
  readonly beginCall: (name: string) => void;
  readonly callArguments: (json: string) => void;
  readonly endCall: () => void;
}

export interface ReadingContext {
  /** Names of a tool's parameters whose values are text, for formats that write text without quotes. */
  readonly textParametersOf: (tool: string) => readonly string[];
}

/** How a family writes calls of tools. */
export interface CallFormat {
  /** The texts that announce calls. Reasoning that was not closed ends with them. */
  readonly opens: readonly string[];
  /** More of its marks: those of them that are special tokens have to be shown as text. */
  readonly marks: readonly string[];
  /** Whether the chat template is given the arguments of earlier calls as objects, or as the JSON text of one. */
  readonly argumentsAs: 'object' | 'text';
  /** Values that are text stand without quotes, so their parameters' types have to be known. */
  readonly writesBareText: boolean;
  /**
   * Reads text and calls until the end of the answer. Text that turns out not to be a call is text.
   */
  read(input: TextReader, out: AnswerSink, context: ReadingContext): Routine;
}

/** How a family writes reasoning: between two marks, at the start of an answer. */
export interface ReasoningFormat {
  readonly open: string;
  readonly close: string;
}
