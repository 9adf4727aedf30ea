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
import { placeExperts } from './place-experts.ts';

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
  const { experts } = expertShape(model);
  if (experts === 0) return densePlacement(request);
  const everywhere = nodes.map((node) => slotsOf(model, node, true));
  const shared = sum(everywhere) >= experts;
  const slots = shared ? everywhere : nodes.map((node) => slotsOf(model, node, node.id === leader));
  if (sum(slots) < experts) throw tooSmall(request, slots);
  const ofLeader = nodes.find(({ id }) => id === leader)?.holdings.bytesPerSecond ?? 0;
  const members = nodes.map(({ holdings }, index) => ({
    slots: slots[index] ?? 0,
    held: holdings.experts,
    speed: relativeSpeed(holdings.bytesPerSecond, ofLeader),
  }));
  const placed = placeExperts({ experts, members, counts });
  const wanted = nodes.map(({ id }, index) => ({ id, experts: placed[index] ?? [], shared: shared || id === leader }));
  return { modelHash: nodes[0]?.holdings.modelHash ?? '', nodes: wanted };
}

function slotsOf(model: StoredModel, { holdings }: NodeReport, shared: boolean): number {
  const { memoryBytes, kvTokens, maxExperts } = holdings;
  return Math.min(maxExperts ?? Number.POSITIVE_INFINITY, expertSlots(model, { memoryBytes, kvTokens, shared }));
}

function tooSmall({ model, nodes }: PlacementRequest, slots: readonly number[]): DomainError {
  const rooms = nodes.map(
    ({ id, holdings }, index) => `${id} ${slots[index]} (${toGigabytes(holdings.memoryBytes)} GB)`,
  );
  const { bytes } = inspectModel(model, 1);
  return new DomainError(
    'bad_config',
    `The model's ${expertShape(model).experts} experts of ${toGigabytes(bytes.expert)} GB, attention of ${toGigabytes(bytes.shared)} GB and ` +
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

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
