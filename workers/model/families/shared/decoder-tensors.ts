// Names of tensors as decoders in the style of Llama have them, and the ways in which experts are stored. Pure.
import { DomainError } from '../../../../infra/errors/domain-error.ts';
import { expertShape } from '../../../../native/model-description.ts';
import type { ModelOutline, SectionShape } from '../../section-shapes.ts';
import { type MatrixSource, wholeMatrix } from '../../weight-plan.ts';
import type { HasTensor } from '../model-family.ts';
import { panelsOf, type TensorTable, tensorName } from './tensor-table.ts';

const LAYER = 'model.layers.{layer}';

/** Everything but the MLPs of a layer. Biases and norms are there for the models that have them. */
export const ATTENTION_TENSORS: TensorTable['shared'] = {
  embedding: 'model.embed_tokens.weight',
  finalNorm: 'model.norm.weight',
  finalNormBias: 'model.norm.bias',
  lmHead: 'lm_head.weight',
  lmHeadBias: 'lm_head.bias',
  attentionNorm: `${LAYER}.input_layernorm.weight`,
  attentionNormBias: `${LAYER}.input_layernorm.bias`,
  query: `${LAYER}.self_attn.q_proj.weight`,
  key: `${LAYER}.self_attn.k_proj.weight`,
  value: `${LAYER}.self_attn.v_proj.weight`,
  queryBias: `${LAYER}.self_attn.q_proj.bias`,
  keyBias: `${LAYER}.self_attn.k_proj.bias`,
  valueBias: `${LAYER}.self_attn.v_proj.bias`,
  queryNorm: `${LAYER}.self_attn.q_norm.weight`,
  keyNorm: `${LAYER}.self_attn.k_norm.weight`,
  sinks: `${LAYER}.self_attn.sinks`,
  attentionOutput: `${LAYER}.self_attn.o_proj.weight`,
  attentionOutputBias: `${LAYER}.self_attn.o_proj.bias`,
  mlpNorm: `${LAYER}.post_attention_layernorm.weight`,
  mlpNormBias: `${LAYER}.post_attention_layernorm.bias`,
};

/** A dense layer's MLP at `mlp`. */
export const DENSE_TENSORS: TensorTable['shared'] = {
  gateUp: [`${LAYER}.mlp.gate_proj.weight`, `${LAYER}.mlp.up_proj.weight`],
  gateBias: `${LAYER}.mlp.gate_proj.bias`,
  upBias: `${LAYER}.mlp.up_proj.bias`,
  down: `${LAYER}.mlp.down_proj.weight`,
  downBias: `${LAYER}.mlp.down_proj.bias`,
};

/** A shared expert; `name` is below the layer, such as `mlp.shared_expert`. */
export function sharedExpertTensors(name: string): TensorTable['shared'] {
  const mlp = `${LAYER}.${name}`;
  return {
    sharedGateUp: [`${mlp}.gate_proj.weight`, `${mlp}.up_proj.weight`],
    sharedDown: `${mlp}.down_proj.weight`,
    sharedGateBias: `${mlp}.gate_proj.bias`,
    sharedUpBias: `${mlp}.up_proj.bias`,
    sharedDownBias: `${mlp}.down_proj.bias`,
  };
}

/** The tensors of the router, its biases and the experts, as a checkpoint may have them. */
export interface ExpertLayout extends ExpertTensors {
  /** Entries of `router`, `routerBias` and `choiceBias`. */
  readonly router: TensorTable['shared'];
}

interface ExpertTensors {
  readonly experts: TensorTable['expert'];
  /** A tensor that only this layout has. */
  readonly sign: string;
  /** Whether MLX converts to it. */
  readonly isMlx?: true;
}

/** Separate experts, stacked ones as transformers 5 keeps them, and stacked ones as MLX does. */
type UsualLayouts = [separate: ExpertLayout, stacked: ExpertLayout, mlx: ExpertLayout];

/** Experts below `mlp.experts` as most checkpoints have them. */
export function usualLayouts(model: ModelOutline, router: TensorTable['shared']): UsualLayouts {
  const stacked = stackedExperts(model, 'mlp.experts.gate_up_proj', 'mlp.experts.down_proj');
  return [
    { router, ...separateExperts('mlp.experts') },
    { router, ...stacked },
    { router, ...mlxExperts(model, 'mlp.switch_mlp') },
  ];
}

/** The experts of Mixtral and its like, below `block_sparse_moe`. */
export function mixtralLayouts(
  model: ModelOutline,
  router: { readonly separate: TensorTable['shared']; readonly stacked: TensorTable['shared'] },
): UsualLayouts {
  const stacked = stackedExperts(model, 'mlp.experts.gate_up_proj', 'mlp.experts.down_proj');
  return [
    { router: router.separate, ...separateExperts('block_sparse_moe.experts', ['w1', 'w3', 'w2']) },
    { router: router.stacked, ...stacked },
    { router: router.separate, ...mlxExperts(model, 'block_sparse_moe.switch_mlp') },
  ];
}

/** Each expert's matrices are tensors of their own: `names` are those of gate, up and down below the expert. */
export function separateExperts(
  name: string,
  names: readonly [string, string, string] = ['gate_proj', 'up_proj', 'down_proj'],
): ExpertTensors {
  const [gate, up, down] = names.map((one) => `${LAYER}.${name}.{expert}.${one}.weight`) as [string, string, string];
  return { experts: { gateUp: [gate, up], down }, sign: gate };
}

/** All experts of a layer in two tensors: [experts, 2 * width, dModel], gates above ups, and [experts, dModel, width]. */
export function stackedExperts(model: ModelOutline, gateUpName: string, downName: string): ExpertTensors {
  const { experts } = expertShape(model);
  const [gateUp, down] = [`${LAYER}.${gateUpName}`, `${LAYER}.${downName}`];
  return {
    sign: gateUp,
    experts: {
      gateUp: (section) => {
        const half = section.outputs / 2;
        return panelsOf(rowsOf(section, experts, gateUp, 0, half), rowsOf(section, experts, gateUp, half, half));
      },
      down: (section) => panelsOf(rowsOf(section, experts, down, 0, section.outputs)),
    },
  };
}

/** All experts of a layer in three tensors: gates and ups [experts, width, dModel], downs [experts, dModel, width]. */
export function mlxExperts(model: ModelOutline, name: string): ExpertTensors {
  const { experts } = expertShape(model);
  const [gate, up, down] = ['gate_proj', 'up_proj', 'down_proj'].map((one) => `${LAYER}.${name}.${one}.weight`) as [
    string,
    string,
    string,
  ];
  const whole = (section: SectionShape, pattern: string, outputs: number): MatrixSource =>
    rowsOf({ ...section, outputs }, experts, pattern, 0, outputs);
  return {
    sign: gate,
    isMlx: true,
    experts: {
      gateUp: (section) => panelsOf(whole(section, gate, section.outputs / 2), whole(section, up, section.outputs / 2)),
      down: (section) => panelsOf(whole(section, down, section.outputs)),
    },
  };
}

/** Rows [first, first + rows) of an expert's matrix in a tensor [experts, outputs, inputs]. */
function rowsOf(section: SectionShape, experts: number, pattern: string, first: number, rows: number): MatrixSource {
  const { outputs, inputs } = section;
  return {
    ...wholeMatrix(tensorName(pattern, section), rows, inputs),
    tensorShape: [experts, outputs, inputs],
    first: ((section.expert ?? 0) * outputs + first) * inputs,
  };
}

/**
 * The layout that a checkpoint has, the first when it has none. Throws DomainError `bad_checkpoint` naming a tensor of each
 * when it has several.
 */
export function pickLayout(layouts: readonly [ExpertLayout, ...ExpertLayout[]], model: ModelOutline, has: HasTensor) {
  const found = layouts.flatMap((layout) => {
    const names = expertShape(model).layers.map((layer) => tensorName(layout.sign, { layer, expert: 0 }));
    const name = names.find(has);
    return name === undefined ? [] : [{ layout, name }];
  });
  const [first, other] = found;
  if (other === undefined) return first?.layout ?? layouts[0];
  throw new DomainError(
    'bad_checkpoint',
    `The checkpoint has tensors "${first?.name}" and "${other.name}": expected experts that are all stored in one way`,
    { param: other.name },
  );
}
