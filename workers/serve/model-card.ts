// Builds the card that a worker publishes for its model: see infra/messages/model-card.ts.
import { createHash } from 'node:crypto';
import type { ModelCard } from '../../infra/messages/model-card.ts';
import type { Tokenizer } from '../../infra/tokenizer/tokenizer.ts';
import type { TokenizerFiles } from '../../infra/tokenizer/tokenizer-files.ts';
import { expertShape } from '../../native/model-description.ts';
import { mainFormat, type StoredModel } from '../model/stored-model.ts';

/** `kvTokens`: what the worker's KV cache holds; a request cannot be longer. `created`: Unix seconds. */
export function modelCard(options: {
  readonly name: string;
  readonly created: number;
  readonly model: StoredModel;
  readonly kvTokens: number;
  readonly files: TokenizerFiles;
  readonly tokenizer: Tokenizer;
  /** SHA-256 of the checkpoint. */
  readonly modelHash: string;
  readonly numericsClass: string;
}): ModelCard {
  const { name, created, model, files, tokenizer, modelHash, numericsClass } = options;
  const { experts, topK } = expertShape(model);
  const mlps = experts === 0 ? 'dense' : `${experts} experts of which ${topK} answer`;
  const dtype = mainFormat(model);
  return {
    name,
    created,
    family: model.family,
    maxContext: Math.min(model.maxContext, options.kvTokens),
    vocab: model.vocab,
    dtype,
    eosTokenIds: tokenizer.eosIds,
    tokenizer: files,
    fingerprint: `fp_${createHash('sha256').update(`${modelHash} ${numericsClass}`).digest('hex').slice(0, 12)}`,
    description: `${model.family}, ${model.blockOfLayer.length} layers, ${mlps}, ${dtype}`,
  };
}
