// Entries of a request's token stream `cv:out:<request>`: tokens, then exactly one terminal entry. Entry ids are `<seq>-0`,
// with seq from 1 without gaps. The client receives every entry once and in order.

export type FinishReason = 'stop' | 'length';

/** A token with its log-probability and alternatives, as ids; the gateway converts them to text. */
export interface TokenLogprob {
  readonly id: number;
  /** Null for the first token of a prompt, which has no context. */
  readonly logprob: number | null;
  readonly top: readonly (readonly [id: number, logprob: number])[];
}

/** A log-probability with the token's position in the text of the choice. */
export interface PlacedLogprob extends TokenLogprob {
  /** Start of the token's text in UTF-16 code units; tokens that share a character have the offset of that character. */
  readonly offset: number;
  /** Set for special tokens, such as end-of-sequence, which have no text. */
  readonly silent?: true;
}

/** Tokens of one choice. `text` is the text released so far; possible stop strings and incomplete characters are held back. */
export interface TokensEvent {
  readonly type: 'tokens';
  readonly choice: number;
  /** Generated token ids. */
  readonly ids: readonly number[];
  /** Number of prompt tokens that this event echoes. Events with it precede all generated tokens. */
  readonly echoed?: number;
  readonly text: string;
  readonly logprobs: readonly PlacedLogprob[] | null;
  /** Set on the last event of the choice. */
  readonly finish: FinishReason | null;
  /** The stop string that ended the choice; unset if none did. */
  readonly stopString?: string;
}

export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Prompt tokens whose KV came from the prefix cache. */
  readonly cachedTokens: number;
}

/** The last entry: all choices are finished, or the request failed or was cancelled. */
export interface TerminalEvent {
  readonly type: 'end';
  readonly outcome: 'finished' | 'failed' | 'cancelled';
  /** For `failed`: an ErrorCode and a message that is safe for clients; otherwise null. */
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly usage: Usage;
}

export type TokenEvent = TokensEvent | TerminalEvent;
