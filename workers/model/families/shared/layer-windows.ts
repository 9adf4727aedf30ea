// Which layers see a window of positions only: `layer_types` of transformers 5, or the keys it is made of. Pure.
import { z } from 'zod';
import { type ModelConfig, refuseKey } from '../../read-model-config.ts';
import { flag, refuseOtherLength } from './config-keys.ts';

const LAYER_TYPES = ['full_attention', 'sliding_attention'] as const;

export const windowKeys = {
  // 0 stands in configs whose layers do not slide.
  sliding_window: z.number().int().nonnegative().nullish(),
  layer_types: z.array(z.enum(LAYER_TYPES, { error: `supported are: ${LAYER_TYPES.join(', ')}` })).nullish(),
};

/** Of Qwen models, whose layers slide only if the first of these says so. */
export const qwenWindowKeys = {
  use_sliding_window: flag,
  max_window_layers: z.number().int().nonnegative().optional(),
  ...windowKeys,
};

interface WindowConfig {
  readonly num_hidden_layers: number;
  readonly sliding_window?: number | null | undefined;
  readonly layer_types?: readonly (typeof LAYER_TYPES)[number][] | null | undefined;
}

/** The window of each layer; `slides` says which layers have one where the config has no list. */
export function layerWindows(
  config: Pick<ModelConfig, 'path'>,
  keys: WindowConfig,
  slides: (layer: number) => boolean,
): (layer: number) => number | null {
  const { layer_types: types } = keys;
  const window = keys.sliding_window ?? null;
  if (window === 0) throw refuseKey(config, 'sliding_window', window, 'expected at least 1, or null');
  if (types != null) refuseOtherLength(config, 'layer_types', types, keys.num_hidden_layers);
  return (layer) => ((types == null ? slides(layer) : types[layer] === 'sliding_attention') ? window : null);
}

/** The window of each layer of a Qwen model. */
export function qwenWindows(
  config: Pick<ModelConfig, 'path'>,
  keys: WindowConfig & { readonly use_sliding_window: boolean },
  slides: (layer: number) => boolean,
): (layer: number) => number | null {
  return layerWindows(config, keys.use_sliding_window ? keys : { ...keys, sliding_window: null }, slides);
}
