// Computes the target placement of a group. In: the nodes, the model, the router's choices so far. Out: a placement, or
// DomainError `bad_config` if the model does not fit into the nodes' memory. Pure.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { Placement } from '../../infra/registry/group-plans.ts';
import type { NodeReport } from '../../infra/registry/node-heartbeats.ts';
import { expertShape } from '../../native/model-description.ts';
import { inspectModel } from '../model/inspect-model.ts';
import type { StoredModel } from '../model/stored-model.ts';
import { relativeSpeed } from './cached-bandwidth.ts';
import { expertSlots, sharedBytes } from './memory-slots.ts';
import { placeLayers } from './place-layers.ts';

export interface PlacementRequest {
  readonly model: StoredModel;
  readonly leader: string;
  /** By id. */
  readonly nodes: readonly NodeReport[];
  /** Rows that each expert was given, [layers, experts]; null when nothing is known. */
  readonly counts: Float64Array | null;
}

/**
 * All nodes hold attention if all experts still fit, so that any node can lead. Otherwise only the leader holds it. Of a dense
 * model only the leader holds anything: the other nodes wait to take over.
 * @throws DomainError `bad_config` naming the room of each node.
 */
export function desiredPlacement(request: PlacementRequest): Placement {
  const { model, leader, nodes, counts } = request;
  const { experts, layers } = expertShape(model);
  if (experts === 0) return densePlacement(request);
  const everywhere = expertSlots(
    model,
    nodes.map(({ holdings }) => ({ ...holdings, shared: true })),
  );
  const shared = fewestSlots(everywhere) >= experts;
  const slots = shared
    ? everywhere
    : expertSlots(
        model,
        nodes.map(({ id, holdings }) => ({ ...holdings, shared: id === leader })),
      );
  if (fewestSlots(slots) < experts) throw tooSmall(request, slots);
  const ofLeader = nodes.find(({ id }) => id === leader)?.holdings.bytesPerSecond ?? 0;
  const members = nodes.map(({ holdings }, index) => ({
    slots: slots[index] ?? [],
    held: holdings.experts,
    speed: relativeSpeed(holdings.bytesPerSecond, ofLeader),
  }));
  const placed = placeLayers({ layers: layers.length, experts, members, counts });
  const wanted = nodes.map(({ id }, index) => ({ id, experts: placed[index] ?? [], shared: shared || id === leader }));
  return { modelHash: nodes[0]?.holdings.modelHash ?? '', nodes: wanted };
}

/** Slots of all nodes together, in the layer that has the fewest. */
function fewestSlots(slots: readonly (readonly number[])[]): number {
  const [first = []] = slots;
  return Math.min(...first.map((_, layer) => slots.reduce((sum, ofNode) => sum + (ofNode[layer] ?? 0), 0)));
}

function tooSmall({ model, nodes }: PlacementRequest, slots: readonly (readonly number[])[]): DomainError {
  const rooms = nodes.map(
    ({ id, holdings }, index) => `${id} ${Math.min(...(slots[index] ?? []))} (${toGigabytes(holdings.memoryBytes)} GB)`,
  );
  const { bytes } = inspectModel(model, 1);
  return new DomainError(
    'bad_config',
    `The model's ${expertShape(model).experts} experts of ${toGigabytes(bytes.expert)} GB over all layers, attention of ${toGigabytes(bytes.shared)} GB and ` +
      `the KV cache, do not fit into the nodes' memory, which has room for ${rooms.join(', ')}. ` +
      'Add a node with `conclave node --join`, or raise worker.memoryBytes.',
    { param: 'worker.memoryBytes' },
  );
}

function densePlacement({ model, leader, nodes }: PlacementRequest): Placement {
  const wanted = nodes.map(({ id }) => ({ id, experts: [], shared: id === leader }));
  const { memoryBytes, kvTokens, modelHash } = nodes.find(({ id }) => id === leader)?.holdings ?? NO_ROOM;
  const needed = sharedBytes(model, { kvTokens, shared: true });
  if (memoryBytes >= needed) return { modelHash, nodes: wanted };
  throw new DomainError(
    'bad_config',
    `The model and the KV cache take ${toGigabytes(needed)} GB, which do not fit into the memory of ${leader} ` +
      `(${toGigabytes(memoryBytes)} GB). A dense model cannot be shared among nodes; raise worker.memoryBytes.`,
    { param: 'worker.memoryBytes' },
  );
}

const NO_ROOM = { memoryBytes: 0, kvTokens: 0, modelHash: '' };

function toGigabytes(bytes: number): number {
  return Number((bytes / 1e9).toPrecision(3));
}
