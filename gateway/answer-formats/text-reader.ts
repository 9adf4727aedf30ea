// A cursor over text that arrives in pieces, for parsers written as if they had all of it: where more text is needed they yield, and
// go on when it has come. What they produce does not depend on how the text was cut. Performs no I/O.

/** A parser's routine: yields when it needs more text. */
export type Routine<Result = void> = Generator<undefined, Result, undefined>;

type Emit = (text: string) => void;

/** Decides how far a text belongs to what is being read: `used` characters do, and `done` ends it there. */
export type Scan = (text: string) => { readonly used: number; readonly done: boolean };

export class TextReader {
  #text = '';
  #ended = false;
  #recorded: string | null = null;

  push(text: string): void {
    this.#text += text;
  }

  /** No more text will come. */
  end(): void {
    this.#ended = true;
  }

  /**
   * Emits the text before the first of `marks` and returns the mark, which is taken; null at the end of the text. Only what may be the
   * start of a mark waits. None of the marks may contain another.
   */
  *until(marks: readonly string[], emit: Emit): Routine<string | null> {
    for (;;) {
      const found = firstOf(this.#text, marks);
      if (found !== null) {
        emitText(emit, this.#take(found.at));
        return this.#take(found.mark.length);
      }
      const kept = this.#ended ? 0 : openMark(this.#text, marks);
      emitText(emit, this.#take(this.#text.length - kept));
      if (this.#ended) return null;
      yield;
    }
  }

  /** Emits text as far as `scan`, which sees every piece once, accepts it. False when the text ends before the scan does. */
  *scan(scan: Scan, emit: Emit): Routine<boolean> {
    for (;;) {
      const { used, done } = scan(this.#text);
      emitText(emit, this.#take(used));
      if (done) return true;
      if (this.#ended) return false;
      yield;
    }
  }

  /** Remembers from here on what is taken. */
  record(): void {
    this.#recorded = '';
  }

  /** What was taken since `record`. */
  recorded(): string {
    const recorded = this.#recorded ?? '';
    this.#recorded = null;
    return recorded;
  }

  /** Makes `text` the next text again. */
  putBack(text: string): void {
    this.#text = text + this.#text;
  }

  /** Takes `literal` if the text goes on with it. */
  *accept(literal: string): Routine<boolean> {
    while (!this.#ended && this.#text.length < literal.length && literal.startsWith(this.#text)) yield;
    if (!this.#text.startsWith(literal)) return false;
    this.#take(literal.length);
    return true;
  }

  /** The next character, not taken; '' at the end. */
  *peek(): Routine<string> {
    while (!this.#ended && this.#text === '') yield;
    return this.#text.charAt(0);
  }

  /** Takes white space. */
  *skipSpace(): Routine<string> {
    let skipped = '';
    for (;;) {
      const rest = this.#text.trimStart();
      skipped += this.#take(this.#text.length - rest.length);
      if (rest !== '' || this.#ended) return skipped;
      yield;
    }
  }

  #take(length: number): string {
    const taken = this.#text.slice(0, length);
    this.#text = this.#text.slice(length);
    if (this.#recorded !== null) this.#recorded += taken;
    return taken;
  }
}

function emitText(emit: Emit, text: string): void {
  if (text !== '') emit(text);
}

function firstOf(text: string, marks: readonly string[]): { readonly at: number; readonly mark: string } | null {
  let first: { readonly at: number; readonly mark: string } | null = null;
  for (const mark of marks) {
    const at = text.indexOf(mark);
    if (at !== -1 && (first === null || at < first.at)) first = { at, mark };
  }
  return first;
}

/** Length of the longest end of `text` that may be the start of a mark. */
function openMark(text: string, marks: readonly string[]): number {
  const longest = Math.max(0, ...marks.map(({ length }) => length - 1));
  for (let size = Math.min(longest, text.length); size > 0; size -= 1) {
    const end = text.slice(text.length - size);
    if (marks.some((mark) => mark.startsWith(end))) return size;
  }
  return 0;
}
