// What a gateway needs to know of a model to validate, template and tokenize a request without having the model's files:
// published by workers at `cv:model:<name>`, read by gateways. Text files travel as they stand in the checkpoint.

/** The checkpoint's text files, by content. The same fields as the tokenizer's `TokenizerFiles`. */
export interface TokenizerFileTexts {
  readonly tokenizerJson: string;
  readonly tokenizerConfigJson: string;
  readonly generationConfigJson: string | null;
  /** Jinja source; null for a model that has no chat format. */
  readonly chatTemplate: string | null;
}

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
  readonly tokenizer: TokenizerFileTexts;
  /** One line for people. */
  readonly description: string;
}
