// What a model is made of: parameters and bytes, as a planner and a person want them. In: a model. Out: a report. Pure. Bytes
// are those of the sections, without the packs' padding.
import { expertShape, type ModelDescription } from '../../native/model-description.ts';
import type { WeightFormat } from '../../native/weight-format.ts';
import type { WeightRole } from '../../native/weight-sections.ts';
import {
  expertSectionShapes,
  layerExpertShapes,
  type SectionShape,
  sectionForm,
  sharedSectionShapes,
} from './section-shapes.ts';
import { formatOf, type StoredModel, type WeightFormats, weightBytes } from './stored-model.ts';

/** A number for each part of a model, summed over the layers. */
export interface ModelParts {
  readonly embedding: number;
  readonly attention: number;
  readonly norms: number;
  readonly routers: number;
  /** MLPs that every token passes: dense layers and shared experts. */
  readonly dense: number;
  readonly lmHead: number;
  /** One expert in every MoE layer, the largest; 0 for a dense model. */
  readonly expert: number;
  readonly total: number;
}

interface ModelParameters extends ModelParts {
  /** What one token uses: top-k experts, and everything that is not an expert. */
  readonly active: number;
}

interface ModelBytes extends ModelParts {
  /** Everything but the experts: what every node of a decentralized group holds. */
  readonly shared: number;
  /** Read for each token decoded alone: the active weights but the embedding, of which one row is read. */
  readonly perToken: number;
}

interface NodeShare {
  readonly nodes: number;
  /** Experts on the fullest node when each expert is on one node. */
  readonly expertsPerNode: number;
  /** Bytes on the fullest node: its experts and the shared weights. */
  readonly bytesPerNode: number;
}

export interface ModelReport {
  readonly description: ModelDescription;
  readonly formats: WeightFormats;
  /** Formats of the matrices of each part that has any. */
  readonly formatsOfParts: Readonly<Partial<Record<MatrixPart, readonly WeightFormat[]>>>;
  readonly parameters: ModelParameters;
  readonly bytes: ModelBytes;
  readonly share: NodeShare;
}

/** Counts a model's parameters and bytes, and what each of `nodes` nodes holds. */
export function inspectModel(model: StoredModel, nodes: number): ModelReport {
  const { formats, ...description } = model;
  const { experts, topK } = expertShape(model);
  const count = sumParts(model, ({ outputs, inputs }) => outputs * inputs);
  const size = sumParts(model, (section) => weightBytes({ ...section, format: formatOf(formats, section) }));
  const expertsPerNode = Math.ceil(experts / nodes);
  return {
    description,
    formats,
    formatsOfParts: formatsOfParts(model),
    parameters: { ...count.parts, active: count.shared + topK * count.parts.expert },
    bytes: {
      ...size.parts,
      shared: size.shared,
      perToken: size.shared + topK * size.parts.expert - size.parts.embedding,
    },
    share: { nodes, expertsPerNode, bytesPerNode: size.shared + expertsPerNode * size.parts.expert },
  };
}

/** A part with matrices. */
export type MatrixPart = Exclude<keyof ModelParts, 'norms' | 'total'>;

function formatsOfParts(model: StoredModel): ModelReport['formatsOfParts'] {
  const found: Partial<Record<MatrixPart, Set<WeightFormat>>> = {};
  const experts = Array.from({ length: expertShape(model).experts }, (_, expert) => expertSectionShapes(model, expert));
  for (const section of [...sharedSectionShapes(model), ...experts.flat()]) {
    const part = section.expert === null ? PART_OF[section.role] : 'expert';
    if (sectionForm(section.role) === 'vector' || part === 'norms') continue;
    found[part] = (found[part] ?? new Set()).add(formatOf(model.formats, section));
  }
  return Object.fromEntries(Object.entries(found).map(([part, formats]) => [part, [...formats]]));
}

/** Bytes of the largest expert of each layer that has experts, and how many there are in a layer. */
export function layerExpertBytes(model: StoredModel): {
  readonly perLayer: readonly number[];
  readonly experts: number;
} {
  const { layers, experts } = expertShape(model);
  const bytesOf = (layer: number, expert: number): number =>
    layerExpertShapes(model, layer, expert)
      .map((shape) => weightBytes({ ...shape, format: formatOf(model.formats, shape) }))
      .reduce((sum, bytes) => sum + bytes, 0);
  const all = Array.from({ length: experts }, (_, expert) => expert);
  return { perLayer: layers.map((layer) => Math.max(...all.map((expert) => bytesOf(layer, expert)))), experts };
}

function sumParts(model: StoredModel, measure: (section: SectionShape) => number): SummedParts {
  const parts = { embedding: 0, attention: 0, norms: 0, routers: 0, dense: 0, lmHead: 0 };
  let shared = 0;
  for (const section of sharedSectionShapes(model)) {
    const amount = measure(section);
    parts[PART_OF[section.role]] += amount;
    shared += amount;
  }
  const experts = Array.from({ length: expertShape(model).experts }, (_, expert) =>
    expertSectionShapes(model, expert).reduce((sum, section) => sum + measure(section), 0),
  );
  const total = experts.reduce((sum, expert) => sum + expert, shared);
  return { shared, parts: { ...parts, expert: Math.max(0, ...experts), total } };
}

interface SummedParts {
  readonly parts: ModelParts;
  readonly shared: number;
}

/** Of sections that belong to no expert. */
const PART_OF: Readonly<Record<WeightRole, Exclude<keyof ModelParts, 'expert' | 'total'>>> = {
  embedding: 'embedding',
  finalNorm: 'norms',
  finalNormBias: 'norms',
  lmHead: 'lmHead',
  lmHeadBias: 'lmHead',
  attentionNorm: 'norms',
  attentionNormBias: 'norms',
  query: 'attention',
  key: 'attention',
  value: 'attention',
  queryBias: 'attention',
  keyBias: 'attention',
  valueBias: 'attention',
  queryNorm: 'norms',
  keyNorm: 'norms',
  sinks: 'attention',
  attentionOutput: 'attention',
  attentionOutputBias: 'attention',
  mlpNorm: 'norms',
  mlpNormBias: 'norms',
  router: 'routers',
  routerBias: 'routers',
  choiceBias: 'routers',
  gateUp: 'dense',
  gateBias: 'dense',
  upBias: 'dense',
  down: 'dense',
  downBias: 'dense',
  sharedGateUp: 'dense',
  sharedDown: 'dense',
  sharedGate: 'dense',
  sharedGateBias: 'dense',
  sharedUpBias: 'dense',
  sharedDownBias: 'dense',
};
