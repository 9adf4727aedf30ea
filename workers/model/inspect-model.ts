// What a model is made of: parameters and bytes, as a planner and a person want them. In: a description. Out: a report.
// Pure. Bytes are those of the weights in the model's dtype, without the packs' padding.
import { BYTES_PER_WEIGHT, type ModelDescription } from '../../native/model-description.ts';

/** Parameters of each part, summed over the layers. */
interface ModelParameters {
  readonly embedding: number;
  readonly attention: number;
  readonly norms: number;
  readonly routers: number;
  /** One expert in every layer. */
  readonly expert: number;
  readonly lmHead: number;
  readonly total: number;
  /** What one token uses: top-k experts, and everything that is not an expert. */
  readonly active: number;
}

interface ModelBytes {
  /** Everything but the experts: what every node of a decentralized group holds. */
  readonly shared: number;
  readonly attention: number;
  readonly lmHead: number;
  /** One expert in every layer. */
  readonly expert: number;
  readonly total: number;
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
  readonly parameters: ModelParameters;
  readonly bytes: ModelBytes;
  readonly share: NodeShare;
}

/** Counts a model's parameters and bytes, and what each of `nodes` nodes holds. */
export function inspectModel(description: ModelDescription, nodes: number): ModelReport {
  const parameters = countParameters(description);
  const bytes = countBytes(parameters, description);
  const expertsPerNode = Math.ceil(description.router.experts / nodes);
  const bytesPerNode = bytes.shared + expertsPerNode * bytes.expert;
  return { description, parameters, bytes, share: { nodes, expertsPerNode, bytesPerNode } };
}

function countParameters(model: ModelDescription): ModelParameters {
  const { layers, dModel, vocab, router } = model;
  const { heads, kvHeads, headDim } = model.attention;
  const embedding = vocab * dModel;
  const lmHead = vocab * dModel;
  const attention = layers * ((heads + 2 * kvHeads) * headDim * dModel + heads * headDim * dModel);
  const norms = (2 * layers + 1) * dModel;
  const routers = layers * router.experts * dModel;
  const expert = layers * 3 * model.expert.ffn * dModel;
  const shared = embedding + lmHead + attention + norms + routers;
  const total = shared + router.experts * expert;
  return { embedding, attention, norms, routers, expert, lmHead, total, active: shared + router.topK * expert };
}

function countBytes(parameters: ModelParameters, { dtype, router }: ModelDescription): ModelBytes {
  const width = BYTES_PER_WEIGHT[dtype];
  return {
    shared: (parameters.total - router.experts * parameters.expert) * width,
    attention: parameters.attention * width,
    lmHead: parameters.lmHead * width,
    expert: parameters.expert * width,
    total: parameters.total * width,
    perToken: (parameters.active - parameters.embedding) * width,
  };
}
