// A family's model in other sizes: for synthetic checkpoints. In: a family and sizes. Out: an outline that the family's own
// mapping accepts, or DomainError `bad_config` naming the size at fault. Pure.

import type { ModelFamily, ModelOutline } from './model-family.ts';
import { parseModelConfig, refuseKey } from './read-model-config.ts';
import { MIN_SYNTHETIC_VOCAB } from './synthetic-tokenizer.ts';

export interface ModelSizes {
  readonly layers: number;
  readonly dModel: number;
  readonly experts: number;
  readonly topK: number;
  readonly ffn: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly vocab: number;
  readonly maxContext: number;
}

const SOURCE = 'synthetic model';

export function sizeOutline(family: ModelFamily, sizes: ModelSizes): ModelOutline {
  const { layers, dModel, experts, topK, ffn, heads, kvHeads, vocab, maxContext } = sizes;
  if (vocab < MIN_SYNTHETIC_VOCAB) {
    throw refuseKey({ path: SOURCE }, 'vocab_size', vocab, `expected at least ${MIN_SYNTHETIC_VOCAB}`);
  }
  const { example } = family;
  const wanted: ModelOutline = {
    ...example,
    layers,
    dModel,
    vocab,
    maxContext,
    attention: { ...example.attention, heads, kvHeads, headDim: dModel / heads },
    router: { ...example.router, experts, topK },
    expert: { ...example.expert, ffn },
  };
  return family.outline(parseModelConfig(JSON.stringify(family.config(wanted)), SOURCE));
}
