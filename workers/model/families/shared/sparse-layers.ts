// Which layers of a Qwen model have experts: the others are dense. Pure.
import { z } from 'zod';
import type { ModelConfig } from '../../read-model-config.ts';
import { refuseKey } from '../../read-model-config.ts';
import { size } from './config-keys.ts';

export const sparseLayerKeys = {
  decoder_sparse_step: size,
  mlp_only_layers: z.array(z.number().int().nonnegative()).nullish(),
};

/** Whether a layer has experts. Throws DomainError `bad_config` for a list that names layers that are not there. */
export function sparseLayers(
  config: Pick<ModelConfig, 'path'>,
  keys: {
    readonly num_hidden_layers: number;
    readonly decoder_sparse_step: number;
    readonly mlp_only_layers?: readonly number[] | null | undefined;
  },
): (layer: number) => boolean {
  const dense = keys.mlp_only_layers ?? [];
  if (dense.some((layer) => layer >= keys.num_hidden_layers)) {
    throw refuseKey(config, 'mlp_only_layers', dense, `expected numbers below num_hidden_layers`);
  }
  return (layer) => !dense.includes(layer) && (layer + 1) % keys.decoder_sparse_step === 0;
}
