// Everything that a gateway needs to validate, template and tokenize requests for a model without its files. Published by
// workers at `cv:model:<name>`, read by gateways. Text files are copied unchanged from the checkpoint.
import type { TokenizerFiles } from '../tokenizer/tokenizer-files.ts';

export interface ModelCard {
  /** The name that clients send as `model`. */
  readonly name: string;
  /** Architecture, for instance `dbrx` or `mixtral`. */
  readonly family: string;
  /** Unix time in seconds: OpenAI's `created`. */
  readonly created: number;
  /** Maximum tokens of prompt and completion together. */
  readonly maxContext: number;
  /** Size of the vocabulary, in tokens. */
  readonly vocab: number;
  readonly dtype: string;
  /** Token ids that end a generation. */
  readonly eosTokenIds: readonly number[];
  readonly tokenizer: TokenizerFiles;
  /** Changes with whatever may change answers: the checkpoint and the numerics class. Absent in cards of older workers. */
  readonly fingerprint?: string;
  /** One line for people. */
  readonly description: string;
}
