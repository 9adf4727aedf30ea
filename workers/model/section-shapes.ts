// Which weights a model has, and their shapes: one list, from the description alone. Family mappings say where each comes from,
// packs where each lies, planners what each costs. Pure.
import {
  type Attention,
  type Block,
  expertShape,
  type GatedMlp,
  type ModelDescription,
  type Norm,
  type SharedExpert,
} from '../../native/model-description.ts';
import { isPacked, type WeightFormat } from '../../native/weight-format.ts';
import type { WeightRole, WeightSection } from '../../native/weight-sections.ts';

/** A weight: outputs and inputs of a matrix, [1, length] of a vector. */
export type SectionShape = Omit<WeightSection, 'format' | 'offset'>;

/** A description without the activations, which follow from the formats of the checkpoint's tensors. */
export type ModelOutline = Omit<ModelDescription, 'activations'>;

/** How a section lies in a pack. `paired`: gate and up panels take turns. */
export type SectionForm = 'vector' | 'rows' | 'panels' | 'paired';

const MATRIX_ROLES: ReadonlySet<WeightRole> = new Set([
  'lmHead',
  'query',
  'key',
  'value',
  'attentionOutput',
  'router',
  'down',
  'sharedDown',
  'sharedGate',
]);

/** `format`: of the section, where it is known; an embedding of a packed format is panels. */
export function sectionForm(role: WeightRole, format?: WeightFormat): SectionForm {
  if (role === 'embedding') return format !== undefined && isPacked(format) ? 'panels' : 'rows';
  if (role === 'gateUp' || role === 'sharedGateUp') return 'paired';
  return MATRIX_ROLES.has(role) ? 'panels' : 'vector';
}

/** Every section of a model: those of no expert in the order of execution, then each expert's. */
export function sectionShapes(model: ModelOutline): readonly SectionShape[] {
  const experts = Array.from({ length: expertShape(model).experts }, (_, expert) => expertSectionShapes(model, expert));
  return [...sharedSectionShapes(model), ...experts.flat()];
}

/** The sections that belong to no expert, in the order of execution. */
export function sharedSectionShapes(model: ModelOutline): readonly SectionShape[] {
  const { dModel, vocab, head, finalNorm } = model;
  const whole = shaper(null, null);
  return [
    ...(head.tied ? [] : [whole('embedding', vocab, dModel)]),
    ...model.blockOfLayer.flatMap((_, layer) => layerShapes(model, layer)),
    ...normShapes(whole, ['finalNorm', 'finalNormBias'], finalNorm, dModel),
    whole('lmHead', vocab, dModel),
    ...(head.bias ? [whole('lmHeadBias', 1, vocab)] : []),
  ];
}

/** The sections of one expert in every MoE layer. */
export function expertSectionShapes(model: ModelOutline, expert: number): readonly SectionShape[] {
  return model.blockOfLayer.flatMap((_, layer) => layerExpertShapes(model, layer, expert));
}

/** The sections of one expert of one layer; none in a dense one. */
export function layerExpertShapes(model: ModelOutline, layer: number, expert: number): readonly SectionShape[] {
  const { mlp } = blockOf(model, layer);
  return mlp.kind === 'moe' ? gatedMlpShapes(shaper(layer, expert), mlp.expert, model.dModel) : [];
}

/** The kind of block that a layer is. */
export function blockOf({ blocks, blockOfLayer }: ModelOutline, layer: number): Block {
  const block = blocks[blockOfLayer[layer] ?? -1];
  if (block === undefined) throw new TypeError(`layer ${layer} has no kind of block`);
  return block;
}

type Shaper = (role: WeightRole, outputs: number, inputs: number) => SectionShape;

function shaper(layer: number | null, expert: number | null): Shaper {
  return (role, outputs, inputs) => ({ role, layer, expert, outputs, inputs });
}

function layerShapes(model: ModelOutline, layer: number): readonly SectionShape[] {
  const { dModel } = model;
  const { attentionNorm, attention, mlpNorm, mlp } = blockOf(model, layer);
  const shape = shaper(layer, null);
  return [
    ...normShapes(shape, ['attentionNorm', 'attentionNormBias'], attentionNorm, dModel),
    ...attentionShapes(shape, attention, dModel),
    ...normShapes(shape, ['mlpNorm', 'mlpNormBias'], mlpNorm, dModel),
    ...(mlp.kind === 'dense' ? gatedMlpShapes(shape, mlp.mlp, dModel) : routingShapes(shape, mlp, dModel)),
  ];
}

function normShapes(
  shape: Shaper,
  [weight, bias]: readonly [WeightRole, WeightRole],
  norm: Norm,
  length: number,
): readonly SectionShape[] {
  return [shape(weight, 1, length), ...(norm.bias ? [shape(bias, 1, length)] : [])];
}

function attentionShapes(shape: Shaper, attention: Attention, dModel: number): readonly SectionShape[] {
  const { heads, kvHeads, headDim, queryKeyNorm } = attention;
  const [queries, keys] = [heads * headDim, kvHeads * headDim];
  const bias = (role: WeightRole, length: number) => (attention.queryKeyValueBias ? [shape(role, 1, length)] : []);
  const [queryNorm, keyNorm] = queryKeyNorm?.extent === 'projection' ? [queries, keys] : [headDim, headDim];
  return [
    ...[shape('query', queries, dModel), shape('key', keys, dModel), shape('value', keys, dModel)],
    ...[...bias('queryBias', queries), ...bias('keyBias', keys), ...bias('valueBias', keys)],
    ...(queryKeyNorm === null ? [] : [shape('queryNorm', 1, queryNorm), shape('keyNorm', 1, keyNorm)]),
    ...(attention.sinks ? [shape('sinks', 1, heads)] : []),
    shape('attentionOutput', dModel, queries),
    ...(attention.outputBias ? [shape('attentionOutputBias', 1, dModel)] : []),
  ];
}

/** Router and shared expert. */
function routingShapes(
  shape: Shaper,
  { router, shared }: Extract<Block['mlp'], { kind: 'moe' }>,
  dModel: number,
): readonly SectionShape[] {
  const { experts, bias, choiceBias } = router;
  return [
    shape('router', experts, dModel),
    ...(bias ? [shape('routerBias', 1, experts)] : []),
    ...(choiceBias ? [shape('choiceBias', 1, experts)] : []),
    ...(shared === null ? [] : sharedExpertShapes(shape, shared, dModel)),
  ];
}

function sharedExpertShapes(shape: Shaper, { mlp, gate }: SharedExpert, dModel: number): readonly SectionShape[] {
  const { width, bias } = mlp;
  return [
    shape('sharedGateUp', 2 * width, dModel),
    shape('sharedDown', dModel, width),
    ...(gate ? [shape('sharedGate', 1, dModel)] : []),
    ...(bias ? [shape('sharedGateBias', 1, width), shape('sharedUpBias', 1, width)] : []),
    ...(bias ? [shape('sharedDownBias', 1, dModel)] : []),
  ];
}

function gatedMlpShapes(shape: Shaper, { width, bias }: GatedMlp, dModel: number): readonly SectionShape[] {
  return [
    shape('gateUp', 2 * width, dModel),
    ...(bias ? [shape('gateBias', 1, width), shape('upBias', 1, width)] : []),
    shape('down', dModel, width),
    ...(bias ? [shape('downBias', 1, dModel)] : []),
  ];
}
