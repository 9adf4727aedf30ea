// A family's model in other sizes: for synthetic checkpoints. In: a family and sizes. Out: a config that the family's own
// mapping accepts and its model, or DomainError `bad_config` naming the size at fault. Pure.
import type { ModelFamily, ModelSizes } from './families/model-family.ts';
import { parseModelConfig, refuseKey } from './read-model-config.ts';
import type { ModelOutline } from './section-shapes.ts';
import { type StoredModel, uniformModel } from './stored-model.ts';
import { MIN_SYNTHETIC_VOCAB } from './synthetic-tokenizer.ts';

export interface SizedModel {
  readonly family: ModelFamily;
  readonly config: Readonly<Record<string, unknown>>;
  readonly outline: ModelOutline;
}

export function sizeModel(family: ModelFamily, sizes: ModelSizes): SizedModel {
  if (sizes.vocab < MIN_SYNTHETIC_VOCAB) {
    throw refuseKey({ path: SOURCE }, 'vocab_size', sizes.vocab, `expected at least ${MIN_SYNTHETIC_VOCAB}`);
  }
  const config = family.resize(sizes);
  return { family, config, outline: outlineOf(family, config) };
}

/** The model that a family is known for, as published in bf16. */
export function exampleModel(family: ModelFamily): StoredModel {
  return uniformModel(outlineOf(family, family.example), 'bf16');
}

/** The example with other keys of config.json. */
export function sizedModel(family: ModelFamily, changes: Readonly<Record<string, unknown>>): ModelOutline {
  return outlineOf(family, { ...family.example, ...changes });
}

const SOURCE = 'synthetic model';

function outlineOf(family: ModelFamily, config: Readonly<Record<string, unknown>>): ModelOutline {
  return family.outline(parseModelConfig(JSON.stringify(config), SOURCE));
}
