// Token ids, one at a time -> text that may be shown. A character whose bytes are spread over tokens appears when it is
// whole. The last tokens shown are decoded again as context for the new ones, because a token's text depends on its
// neighbours (leading spaces, bytes). State is a few ids; pushing the same ids again rebuilds it.
import { isUtf8 } from 'node:buffer';
import type { Tokenizer } from './tokenizer.ts';

/** Tokens of the prompt that are decoded as context. */
const CONTEXT_TOKENS = 5;
/** In bytes of UTF-8. */
const LONGEST_CHARACTER = 4;
/** Where more tokens wait, some of them are no text and will never become any. */
const WAITING_TOKENS = 8;

/** Turns the ids of one choice into text, piece by piece; the pieces together are the decoded whole. */
export class IncrementalDetokenizer {
  readonly #tokenizer: Tokenizer;
  readonly #shownTokens: ReadonlySet<number>;
  /** Context ids, then ids whose text is not shown yet. */
  #window: number[];
  #contextSize: number;
  #contextText: string;

  /**
   * `context`: the tokens before the first pushed one; its end decides whether a leading space belongs to the text. A character
   * that is open there belongs to the text as a whole. `shownTokens`: special tokens whose names are text.
   */
  constructor(tokenizer: Tokenizer, context: readonly number[], shownTokens: readonly number[] = []) {
    this.#tokenizer = tokenizer;
    this.#shownTokens = new Set(shownTokens);
    this.#window = context.filter((id) => !tokenizer.isSilent(id)).slice(-CONTEXT_TOKENS);
    this.#contextSize = this.#window.length - this.#countOpenTokens();
    this.#contextText = tokenizer.decode(this.#window.slice(0, this.#contextSize));
  }

  /** Adds one id. Returns the text that is complete now, '' when a character is still open. */
  push(id: number): string {
    if (this.#tokenizer.isSilent(id)) return this.#shownTokens.has(id) ? this.#showName(id) : '';
    this.#window.push(id);
    const text = this.#tokenizer.decode(this.#window);
    if (text.length > this.#contextText.length && (!text.endsWith('\uFFFD') || this.#waitsForNothing())) {
      return this.#show(this.#window.length, text);
    }
    return this.#window.length - this.#contextSize > WAITING_TOKENS ? this.#flushInvalidBytes(text) : '';
  }

  /** Ends the text: what is still open is shown as `decode` has it. */
  finish(): string {
    return this.#show(this.#window.length, this.#tokenizer.decode(this.#window));
  }

  /** A character that was still open stays open: the name ends it. */
  #showName(id: number): string {
    const open = this.#window.length > this.#contextSize ? this.finish() : '';
    return open + Buffer.from(this.#tokenizer.tokenBytes(id)).toString();
  }

  /** Shows the first `count` ids of the window, whose text is `text`; they become the context of the rest. */
  #show(count: number, text: string): string {
    // Where a token that ends in half a character stands at the end of the context, the cut may go through that character.
    const shown = text.slice(this.#contextText.length).toWellFormed();
    this.#window = this.#window.slice(this.#contextSize);
    this.#contextSize = count - this.#contextSize;
    this.#contextText = this.#tokenizer.decode(this.#window.slice(0, this.#contextSize));
    return shown;
  }

  /** Tokens at the end of the window that are the beginning of one character and nothing else. */
  #countOpenTokens(): number {
    for (let count = 1; count < LONGEST_CHARACTER && count <= this.#window.length; count += 1) {
      if (beginsCharacter(this.#bytesOfLast(count))) return count;
    }
    return 0;
  }

  #bytesOfLast(count: number): Uint8Array {
    return Buffer.concat(this.#window.slice(-count).map((id) => this.#tokenizer.tokenBytes(id)));
  }

  /** True when the text ends with a U+FFFD that the model wrote, not with an open character. */
  #waitsForNothing(): boolean {
    return isUtf8(this.#bytesOfLast(this.#window.length - this.#contextSize));
  }

  // An open character is at most three tokens at the end. A border that can be cut without changing the text is not inside it.
  #flushInvalidBytes(text: string): string {
    const decode = (from: number, to?: number) => this.#tokenizer.decode(this.#window.slice(from, to));
    for (let count = this.#window.length - 1; count > this.#window.length - 4; count -= 1) {
      const head = decode(0, count);
      if (head + decode(count) === text) return this.#show(count, head);
    }
    return '';
  }
}

/** Whether the bytes are a proper beginning of one character of UTF-8. */
function beginsCharacter(bytes: Uint8Array): boolean {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream: true });
    return text === '' && bytes.length > 0;
  } catch {
    return false;
  }
}
