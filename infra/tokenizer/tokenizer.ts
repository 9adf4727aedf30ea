// Tokenizer interfaces: Tokenizer is used by gateway and workers, TokenEngine is implemented by each library (native,
// JavaScript, built-in).

/** A token matched as a whole before the text is pre-tokenized. */
export interface AddedToken {
  readonly id: number;
  readonly text: string;
  /** A control token rather than text; omitted when decoding. */
  readonly special: boolean;
}

export interface EncodeOptions {
  /**
   * How to encode text that spells a control token. `parsed`: as that token. `text`: as text. `guarded`: as that token where
   * the chat template wrote it, as text where guards mark it (guard-text.ts).
   */
  readonly specials: 'parsed' | 'text' | 'guarded';
  /** Adds the tokenizer's special tokens around a raw prompt, such as bos. Chat templates write their own. */
  readonly addPromptTokens: boolean;
}

export interface Tokenizer {
  /** Largest token id + 1. The model's vocabulary may be larger; the extra ids decode to an empty string. */
  readonly vocabSize: number;
  readonly addedTokens: readonly AddedToken[];
  /** End-of-sequence token ids. */
  readonly eosIds: readonly number[];
  encode(text: string, options: EncodeOptions): Promise<number[]>;
  /** Text of `ids`, without special tokens and unknown ids. Invalid UTF-8 becomes U+FFFD. */
  decode(ids: readonly number[]): string;
  /** Bytes of one token in running text: the name of a special token, empty for an unknown id. */
  tokenBytes(id: number): Uint8Array;
  /** True for ids that `decode` leaves out. */
  isSilent(id: number): boolean;
}

/** Implemented by each tokenizer library; create-tokenizer.ts wraps it in a Tokenizer. */
export interface TokenEngine {
  readonly vocabSize: number;
  readonly addedTokens: readonly AddedToken[];
  /** Encodes with control tokens parsed, then removes GUARD characters. */
  encode(guardedText: string, addPromptTokens: boolean): Promise<number[]>;
  /** Decodes ids, all of which must be known and not special. */
  decode(ids: readonly number[]): string;
  tokenBytes(id: number): Uint8Array;
  /** Id of a token by name; null if unknown. */
  idOf(token: string): number | null;
  isKnown(id: number): boolean;
}
