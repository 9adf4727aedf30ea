// What a gateway needs to know of a model to validate, template and tokenize a request without having the model's files:
// published by workers at `cv:model:<name>`, read by gateways. Text files travel as they stand in the checkpoint.
import type { TokenizerFiles } from '../tokenizer/tokenizer-files.ts';

export interface ModelCard {
  /** The name that clients send as `model`. */
  readonly name: string;
  /** Architecture, for instance `dbrx` or `mixtral`. */
  readonly family: string;
  /** Unix time in seconds: OpenAI's `created`. */
  readonly created: number;
  /** Prompt and completion together, in tokens. */
  readonly maxContext: number;
  /** Size of the vocabulary, in tokens. */
  readonly vocab: number;
  readonly dtype: string;
  /** Token ids that end a generation. */
  readonly eosTokenIds: readonly number[];
  readonly tokenizer: TokenizerFiles;
  /** One line for people. */
  readonly description: string;
}
