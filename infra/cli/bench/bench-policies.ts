// The policies that benchmarks compare, by name. In: a plan as a node sees it and the node's own packs. Out: an assignment of
// experts to members, the same on every node. `cold` is not about assignment but about memory: see ColdWeights.
import { expertShape } from '../../../native/model-description.ts';
import { paperGroups } from '../../../workers/cluster/paper-groups.ts';
import { ExpertAssigner } from '../../../workers/node/assign-experts.ts';
import type { GroupView } from '../../../workers/node/group-view.ts';
import type { LoadPolicy } from '../../../workers/node/layer-work.ts';
import { BusyFull, GroupRoundRobin, LeastRecentlyUsed, type Padding } from '../../../workers/node/paper-policies.ts';
import type { OpenedPacks } from '../../../workers/pack/open-packs.ts';

export const BENCH_POLICIES = ['least', 'layered', 'cold', 'deal', 'busy-full', 'recent'] as const;

/**
 * least: the largest load kept smallest (ours). layered: the same, asked layer by layer in JavaScript, which keeps decentralized
 * steps from being one native call. The paper's: deal, in turn inside its groups; busy-full (L_B) and recent
 * (L_R), deal with padding; cold, deal with weights that are unmapped after every layer.
 */
export type BenchPolicy = (typeof BENCH_POLICIES)[number];

/** As FollowOptions and GroupExecutorOptions take it: nothing for what nodes do by themselves. */
export function benchPolicy(name: BenchPolicy, packs: OpenedPacks): { policy?: (view: GroupView) => LoadPolicy } {
  return name === 'least' ? {} : { policy: (view) => policyFor(name, view, packs) };
}

function policyFor(name: Exclude<BenchPolicy, 'least'>, view: GroupView, packs: OpenedPacks): LoadPolicy {
  const { holders, speed, plan } = view;
  if (name === 'layered') return new ExpertAssigner({ holders, speed, members: plan.members.length });
  const { layers, experts, topK } = expertShape(packs.description);
  const dealt = new GroupRoundRobin(paperGroups(experts, plan.members.length), topK);
  const held = plan.members.map(({ experts }) => experts);
  if (name === 'cold') return new ColdWeights(dealt, packs);
  if (name === 'busy-full') return new Padded(dealt, new BusyFull(held));
  if (name === 'recent') return new Padded(dealt, new LeastRecentlyUsed(held, layers.length));
  return dealt;
}

class Padded implements LoadPolicy {
  readonly #dealt: GroupRoundRobin;
  readonly #padding: Padding;

  constructor(dealt: GroupRoundRobin, padding: Padding) {
    this.#dealt = dealt;
    this.#padding = padding;
  }

  assign(experts: Int32Array, nodes: Int32Array): void {
    this.#dealt.assign(experts, nodes);
  }

  padding(layer: number, experts: Int32Array, nodes: Int32Array): readonly (readonly number[])[] {
    return this.#padding.extra(layer, experts, nodes);
  }
}

/**
 * Before each layer this process forgets where its experts' pages are, so that touching them costs page faults. It stands in
 * for what the paper's naive system suffers from, the driver that wires weights again when they have not been used for a while:
 * the same kind of cost (mappings, no copies), not the same amount.
 */
class ColdWeights implements LoadPolicy {
  readonly #dealt: GroupRoundRobin;
  readonly #packs: OpenedPacks;

  constructor(dealt: GroupRoundRobin, packs: OpenedPacks) {
    this.#dealt = dealt;
    this.#packs = packs;
  }

  assign(experts: Int32Array, nodes: Int32Array): void {
    for (const { file } of this.#packs.experts.values()) file.release(0, file.size);
    this.#dealt.assign(experts, nodes);
  }
}
