// What passes between a gateway and the processes that turn its prompts into tokens. Typed arrays travel as they are: the
// channel's serialization is V8's.
import type { ErrorCode } from '../../infra/errors/domain-error.ts';
import type { TokenizerFiles } from '../../infra/tokenizer/tokenizer-files.ts';
import type { Conversation } from '../conversation/conversation.ts';
import type { AnswerTraits } from '../parts.ts';

/** The first message to a process; `loaded` or `refused` answers it. */
export interface EncoderModel {
  readonly kind: 'load';
  /** For error messages. */
  readonly name: string;
  readonly files: TokenizerFiles;
  /** Prompt and completion together, in tokens. */
  readonly maxContext: number;
  /** Milliseconds that rendering a template or encoding in JavaScript may take. */
  readonly scriptMs: number;
}

/** A prompt as the client sent it. */
export type Prompt =
  | { readonly kind: 'chat'; readonly conversation: Conversation }
  | { readonly kind: 'text'; readonly text: string };

export type ToEncoder = EncoderModel | Prompt;

/** The part of a vocabulary that a gateway needs: the bytes of all tokens, concatenated. */
export interface TokenTable {
  readonly bytes: Uint8Array;
  /** Where the bytes of each id end. [vocabulary] */
  readonly ends: Uint32Array;
}

/** What loading a model tells about it. */
export interface LoadedModel {
  readonly table: TokenTable;
  readonly traits: AnswerTraits;
}

export interface EncodedPrompt {
  readonly ids: Int32Array;
  /** A conversation's prompt ends inside the reasoning of the answer. */
  readonly reasoningOpen: boolean;
}

export type FromEncoder =
  | { readonly kind: 'loaded'; readonly table: TokenTable; readonly traits: AnswerTraits }
  /** The chat template has been rendered. */
  | { readonly kind: 'encoding' }
  /** `rssBytes`: memory of the process now. */
  | { readonly kind: 'tokens'; readonly prompt: EncodedPrompt; readonly rssBytes: number }
  | { readonly kind: 'refused'; readonly error: RefusedPrompt };

/** A DomainError without its stack. */
export interface RefusedPrompt {
  readonly code: ErrorCode;
  readonly message: string;
  readonly param: string | undefined;
  /** For the log. */
  readonly cause: string | undefined;
}
