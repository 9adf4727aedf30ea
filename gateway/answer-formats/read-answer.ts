// The text of one answer -> its parts: reasoning, text, calls. In: text in pieces. Out: parts in order; the parts of all pieces together
// do not depend on how the text was cut. Never fails: what is not a call is text.
import type { AnswerReading } from '../../infra/messages/answer-reading.ts';
import type { AnswerSink, CallFormat, ReadingContext, ReasoningFormat } from './answer-format.ts';
import { CALL_FORMATS, REASONING_FORMATS } from './formats.ts';
import { type Routine, TextReader } from './text-reader.ts';

/** Calls are numbered from 0. */
export type AnswerPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'reasoning'; readonly text: string }
  | { readonly type: 'call'; readonly call: number; readonly name: string }
  /** A piece of the JSON text of a call's arguments. */
  | { readonly type: 'arguments'; readonly call: number; readonly text: string }
  | { readonly type: 'call_end'; readonly call: number };

/** Reads one answer. */
export class AnswerReader {
  readonly #input = new TextReader();
  readonly #routine: Routine;
  readonly #sink = new PartSink();

  constructor(reading: AnswerReading) {
    this.#routine = readAnswer(reading, this.#input, this.#sink);
  }

  /** Number of calls that have begun. */
  get calls(): number {
    return this.#sink.calls;
  }

  /** Whether the text so far ends inside the reasoning. */
  get isReasoning(): boolean {
    return this.#sink.isReasoning;
  }

  /** The parts that `text` adds. */
  push(text: string): readonly AnswerPart[] {
    this.#input.push(text);
    this.#routine.next();
    return this.#sink.take();
  }

  /** The parts that were held back, at the end of the answer. */
  finish(): readonly AnswerPart[] {
    this.#input.end();
    this.#routine.next();
    return this.#sink.end();
  }
}

function* readAnswer(reading: AnswerReading, input: TextReader, sink: PartSink): Routine {
  const calls = reading.calls === null ? undefined : CALL_FORMATS.get(reading.calls);
  const reasoning = reading.reasoning === null ? undefined : REASONING_FORMATS.get(reading.reasoning);
  const context: ReadingContext = { textParametersOf: (tool) => reading.textParameters[tool] ?? [] };
  if (reasoning !== undefined) yield* readReasoning(reasoning, reading.reasoningOpen, calls, input, sink);
  if (calls === undefined) yield* input.until([], sink.text);
  else yield* calls.read(input, sink, context);
}

/** Some models write the opening mark, for others the prompt ends with it; some write it though the prompt did. */
function* readReasoning(
  { open, close }: ReasoningFormat,
  isOpen: boolean,
  calls: CallFormat | undefined,
  input: TextReader,
  sink: PartSink,
): Routine {
  const space = yield* input.skipSpace();
  const opened = yield* input.accept(open);
  if (!opened && !isOpen) {
    sink.text(space);
    return;
  }
  sink.isReasoning = true;
  const opens = calls?.opens ?? [];
  const mark = yield* input.until([close, ...opens], sink.reasoning);
  sink.endReasoning();
  if (mark !== null && mark !== close) input.putBack(mark);
}

/** Collects parts. White space around calls and reasoning separates them and belongs to neither. */
class PartSink implements AnswerSink {
  calls = 0;
  isReasoning = false;
  #parts: AnswerPart[] = [];
  readonly #text = new TrimmedText(false);
  readonly #reasoning = new TrimmedText(true);

  readonly text = (text: string): void => this.#add('text', this.#text.push(text));

  readonly reasoning = (text: string): void => {
    this.isReasoning = true;
    this.#add('reasoning', this.#reasoning.push(text));
  };

  readonly endReasoning = (): void => {
    this.isReasoning = false;
    this.#text.cut();
  };

  readonly beginCall = (name: string): void => {
    this.#text.cut();
    this.#parts.push({ type: 'call', call: this.calls, name });
    this.calls += 1;
  };

  readonly callArguments = (text: string): void => {
    if (text !== '') this.#parts.push({ type: 'arguments', call: this.calls - 1, text });
  };

  readonly endCall = (): void => {
    this.#parts.push({ type: 'call_end', call: this.calls - 1 });
  };

  take(): readonly AnswerPart[] {
    const parts = this.#parts;
    this.#parts = [];
    return parts;
  }

  end(): readonly AnswerPart[] {
    this.#add('text', this.#text.held);
    return this.take();
  }

  #add(type: 'text' | 'reasoning', text: string): void {
    if (text !== '') this.#parts.push({ type, text });
  }
}

/** Text whose last white space waits for what follows it. */
class TrimmedText {
  held = '';
  /** Nothing was shown since the last cut. */
  #atStart: boolean;

  /** `trimsStart`: white space at the very start does not count. */
  constructor(trimsStart: boolean) {
    this.#atStart = trimsStart;
  }

  /** Returns what can be shown now. */
  push(text: string): string {
    const all = this.held + (this.#atStart ? text.trimStart() : text);
    const shown = all.trimEnd();
    this.held = all.slice(shown.length);
    if (all !== '') this.#atStart = false;
    return shown;
  }

  /** Something else follows: white space on both sides of it is dropped. */
  cut(): void {
    this.held = '';
    this.#atStart = true;
  }
}
