// The seam to tokenizers: what gateway and workers use, and what each implementation (native, JavaScript, built-in) gives.

/** A token that is matched as a whole before the text is split. */
export interface AddedToken {
  readonly id: number;
  readonly text: string;
  /** A token that means something to the model and is no text: left out when decoding. */
  readonly special: boolean;
}

export interface EncodeOptions {
  /**
   * `parsed`: text that spells a control token becomes that token.
   * `text`: it stays text.
   * `guarded`: control tokens are parsed where the chat template wrote them and stay text where guards are (guard-text.ts).
   */
  readonly specials: 'parsed' | 'text' | 'guarded';
  /** Adds what the tokenizer puts around a raw prompt, such as a bos token. Chat templates write their own. */
  readonly addPromptTokens: boolean;
}

export interface Tokenizer {
  /** Largest token id + 1. The model's vocabulary may be larger: its surplus ids decode to nothing. */
  readonly vocabSize: number;
  readonly addedTokens: readonly AddedToken[];
  /** Ids that end a text. */
  readonly eosIds: readonly number[];
  encode(text: string, options: EncodeOptions): Promise<number[]>;
  /** Text of `ids`, special tokens and unknown ids left out. U+FFFD stands for bytes that are no UTF-8. */
  decode(ids: readonly number[]): string;
  /** Bytes of one token in running text; a special token gives its name, an unknown id nothing. */
  tokenBytes(id: number): Uint8Array;
  /** True for ids that `decode` leaves out. */
  isSilent(id: number): boolean;
}

/** What one tokenizer library must provide; create-tokenizer.ts makes a Tokenizer of it. */
export interface TokenEngine {
  readonly vocabSize: number;
  readonly addedTokens: readonly AddedToken[];
  /** Encodes with control tokens parsed; characters GUARD are erased after that. */
  encode(guardedText: string, addPromptTokens: boolean): Promise<number[]>;
  /** Decodes ids that all are known and not special. */
  decode(ids: readonly number[]): string;
  tokenBytes(id: number): Uint8Array;
  /** Id of a token by its name, null when there is none. */
  idOf(token: string): number | null;
  isKnown(id: number): boolean;
}
