// Entries of a request's token stream `cv:out:<request>`: tokens, then exactly one terminal entry. The entry id is
// `<seq>-0`, seq from 1 without gaps; what is written here is what the client gets, once and in order.

export type FinishReason = 'stop' | 'length';

/** One reported token with its log-probability and alternatives, as ids; the gateway turns them into text. */
export interface TokenLogprob {
  readonly id: number;
  /** Null for the first token of a prompt, which nothing precedes. */
  readonly logprob: number | null;
  readonly top: readonly (readonly [id: number, logprob: number])[];
}

/** A log-probability with its token's place in the text of the choice. */
export interface PlacedLogprob extends TokenLogprob {
  /** Where the token's text begins, in UTF-16 units; the start of a character that is spread over several tokens. */
  readonly offset: number;
  /** The token has no text: it ends the answer, or is special in another way. */
  readonly silent?: true;
}

/** Tokens of one choice. `text` is what may be released now: held-back text (stop strings, half characters) follows later. */
export interface TokensEvent {
  readonly type: 'tokens';
  readonly choice: number;
  /** Generated tokens. */
  readonly ids: readonly number[];
  /** Set on events that repeat part of the prompt instead: the number of its next tokens. Before all generated ones. */
  readonly echoed?: number;
  readonly text: string;
  readonly logprobs: readonly PlacedLogprob[] | null;
  /** Set on the last event of the choice. */
  readonly finish: FinishReason | null;
}

export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Prompt tokens whose KV came from the prefix cache. */
  readonly cachedTokens: number;
}

/** The last entry: every choice is finished, or the request failed or was cancelled. */
export interface TerminalEvent {
  readonly type: 'end';
  readonly outcome: 'finished' | 'failed' | 'cancelled';
  /** An ErrorCode and a text safe for clients when the outcome is `failed`. */
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly usage: Usage;
}

export type TokenEvent = TokensEvent | TerminalEvent;
