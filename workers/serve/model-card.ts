// Builds the card that a worker publishes for its model: see infra/messages/model-card.ts.
import type { ModelCard } from '../../infra/messages/model-card.ts';
import type { Tokenizer } from '../../infra/tokenizer/tokenizer.ts';
import type { TokenizerFiles } from '../../infra/tokenizer/tokenizer-files.ts';
import type { ModelDescription } from '../../native/model-description.ts';

/** `kvTokens`: what the worker's KV cache holds; a request cannot be longer. `created`: Unix seconds. */
export function modelCard(options: {
  readonly name: string;
  readonly created: number;
  readonly model: ModelDescription;
  readonly kvTokens: number;
  readonly files: TokenizerFiles;
  readonly tokenizer: Tokenizer;
}): ModelCard {
  const { name, created, model, files, tokenizer } = options;
  const { layers, router } = model;
  return {
    name,
    created,
    family: model.family,
    maxContext: Math.min(model.maxContext, options.kvTokens),
    vocab: model.vocab,
    dtype: model.dtype,
    eosTokenIds: tokenizer.eosIds,
    tokenizer: files,
    description: `${model.family}, ${layers} layers, ${router.experts} experts of which ${router.topK} answer, ${model.dtype}`,
  };
}
