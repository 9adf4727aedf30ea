// How long a group of nodes takes for one decode step. In: model, nodes, link, software, placement and routings. Out:
// seconds by cause. Pure; formulas and where they depart from arXiv 2506.23635: docs/decisions/0080.
//
// A layer is two phases, attention with the router and then the experts, and a phase lasts until its last node is done. The
// nodes of one host read from one memory: a host is done when its slowest node is, or when all its bytes are read.
import { expertShape } from '../../native/model-description.ts';
import { kvBytesPerToken } from '../cluster/memory-slots.ts';
import { inspectModel, type ModelParts } from '../model/inspect-model.ts';
import { blockOf } from '../model/section-shapes.ts';
import { ExchangeTally } from './exchange-tally.ts';
import type { PlannedNode } from './machine.ts';
import type { StepInput, StepSeconds } from './step-input.ts';

export interface StepPrediction {
  readonly seconds: StepSeconds;
  readonly totalSeconds: number;
  /** Of all streams together. */
  readonly tokensPerSecond: number;
  /** Latency and transfer, of the total. */
  readonly communicationShare: number;
  /** E[max]: experts that the busiest node computes in a layer. */
  readonly busiestExperts: number;
  /** Over an even share of what the nodes compute in a layer; 1 is perfectly balanced, and what there is without experts. */
  readonly busiestShare: number;
}

export function predictStep(input: StepInput): StepPrediction {
  const { model, software, rows } = input;
  const attention = phaseSeconds(input, attentionWork(input));
  const experts = expertSeconds(input);
  const head = phaseSeconds(input, headWork(input));
  const layers = model.blockOfLayer.length;
  const expertLayers = expertShape(model).layers.length;
  const seconds = {
    load: layers * attention.load + expertLayers * experts.load + head.load,
    compute: layers * attention.compute + expertLayers * experts.compute + head.compute,
    ...experts.exchanges.seconds(),
    software: layers * software.layerSeconds + software.stepSeconds,
  };
  const totalSeconds = Object.values(seconds).reduce((sum, part) => sum + part, 0);
  return {
    seconds,
    totalSeconds,
    tokensPerSecond: rows / totalSeconds,
    communicationShare: (seconds.latency + seconds.transfer) / totalSeconds,
    busiestExperts: experts.busiestExperts,
    busiestShare: experts.busiestShare,
  };
}

/** What a node does in a phase. */
interface Work {
  readonly bytes: number;
  readonly flops: number;
}

interface PhaseSeconds {
  readonly load: number;
  readonly compute: number;
}

const IDLE: Work = { bytes: 0, flops: 0 };

/** All of a mean layer but its experts: on every node of a decentralized group, else on the leader. */
function attentionWork({ model, nodes, topology, rows, context }: StepInput): readonly Work[] {
  const { parameters, bytes } = inspectModel(model, 1);
  const perLayer = ({ attention, routers, dense }: ModelParts): number =>
    (attention + routers + dense) / model.blockOfLayer.length;
  const kvBytes = (kvBytesPerToken(model) / model.blockOfLayer.length) * context * rows;
  const flops = 2 * rows * (perLayer(parameters) + 2 * meanQueries(model) * context);
  const work = { bytes: perLayer(bytes) + kvBytes, flops };
  return nodes.map((_, node) => (node === 0 || topology === 'decentralized' ? work : IDLE));
}

/** Numbers in the queries of a row. */
function meanQueries(model: StepInput['model']): number {
  const layers = [...model.blockOfLayer.keys()];
  const queries = layers.map((layer) => blockOf(model, layer).attention).map(({ heads, headDim }) => heads * headDim);
  return queries.reduce((sum, count) => sum + count, 0) / layers.length;
}

/** The leader's projection to logits. */
function headWork({ model, nodes, rows }: StepInput): readonly Work[] {
  const { parameters, bytes } = inspectModel(model, 1);
  const work = { bytes: bytes.lmHead, flops: 2 * rows * parameters.lmHead };
  return nodes.map((_, node) => (node === 0 ? work : IDLE));
}

/** How long until the last host is done with its nodes' work. */
function phaseSeconds({ nodes, software }: StepInput, work: readonly Work[]): PhaseSeconds {
  const load = slowestHost(nodes, work, 'bytes');
  const compute = slowestHost(nodes, work, 'flops');
  return { load, compute: software.computeHidden ? Math.max(0, compute - load) : compute };
}

function slowestHost(nodes: readonly PlannedNode[], work: readonly Work[], what: keyof Work): number {
  const hostTotals = new Map<string, number>();
  let slowest = 0;
  for (const [index, node] of nodes.entries()) {
    const amount = work[index]?.[what] ?? 0;
    const total = (hostTotals.get(node.host) ?? 0) + amount;
    hostTotals.set(node.host, total);
    const [ownRate, hostRate] =
      what === 'bytes' ? [node.bytesPerSecond, node.hostBytesPerSecond] : [node.flops, node.hostFlops];
    slowest = Math.max(slowest, amount / ownRate, total / hostRate);
  }
  return slowest;
}

interface ExpertSeconds extends PhaseSeconds {
  readonly busiestExperts: number;
  readonly busiestShare: number;
  readonly exchanges: ExchangeTally;
}

/** The experts of a layer, averaged over the routings. */
function expertSeconds(input: StepInput): ExpertSeconds {
  const { experts, slots, layers: routed } = input.routings;
  const exchanges = new ExchangeTally(input);
  if (slots === 0) return { load: 0, compute: 0, busiestExperts: 0, busiestShare: 1, exchanges };
  const draws = experts.length / slots;
  const { parameters, bytes } = inspectModel(input.model, 1);
  const layers = expertShape(input.model).layers.length;
  const nodes = new Int32Array(slots);
  const sum = { load: 0, compute: 0, busiestExperts: 0, evenExperts: 0 };
  for (let draw = 0; draw < draws; draw += 1) {
    const routing = experts.subarray(draw * slots, (draw + 1) * slots);
    input.assigner.assign(draw % routed, routing, nodes);
    const computed = computedBy(input, routing, nodes);
    const work = computed.map(({ experts, slots }) => ({
      bytes: (experts * bytes.expert) / layers,
      flops: (2 * slots * parameters.expert) / layers,
    }));
    const { load, compute } = phaseSeconds(input, work);
    sum.load += load;
    sum.compute += compute;
    sum.busiestExperts += Math.max(...computed.map(({ experts }) => experts));
    sum.evenExperts += computed.reduce((all, { experts }) => all + experts, 0) / computed.length;
    exchanges.count(computed.map(({ slots }) => slots));
  }
  return {
    load: sum.load / draws,
    compute: sum.compute / draws,
    busiestExperts: sum.busiestExperts / draws,
    busiestShare: sum.busiestExperts / sum.evenExperts,
    exchanges,
  };
}

/** Experts whose weights each node reads, and rows it sends through them. */
function computedBy(
  { nodes, alwaysComputed, rows }: StepInput,
  routing: Int32Array,
  assigned: Int32Array,
): readonly { readonly experts: number; readonly slots: number }[] {
  if (alwaysComputed !== null) return alwaysComputed.map(({ length }) => ({ experts: length, slots: length * rows }));
  const own = nodes.map(() => new Set<number>());
  const slots = nodes.map(() => 0);
  for (const [slot, expert] of routing.entries()) {
    const node = assigned[slot] ?? 0;
    own[node]?.add(expert);
    slots[node] = (slots[node] ?? 0) + 1;
  }
  return own.map(({ size }, node) => ({ experts: size, slots: slots[node] ?? 0 }));
}
