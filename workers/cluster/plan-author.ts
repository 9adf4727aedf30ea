// The leader's view of its group: its members and the target placement. In: the nodes' reports, and the nodes that failed steps.
// Out: what plan there could be, and plans in force. Runs no step.
import type { Redis } from 'ioredis';
import type { GroupPlan, Topology } from '../../infra/messages/group-plan.ts';
import { type Placement, publishPlacement, publishPlan } from '../../infra/registry/group-plans.ts';
import { type NodeReport, readNodes } from '../../infra/registry/node-heartbeats.ts';
import { countExperts } from '../../native/model-description.ts';
import type { StoredModel } from '../model/stored-model.ts';
import { admitNodes } from './admit-nodes.ts';
import { choosePlan, missingExperts, type PlanChoice, type PlannedGroup } from './choose-plan.ts';
import { desiredPlacement } from './desired-placement.ts';
import type { HeldLease } from './lease.ts';
import { Suspects } from './suspects.ts';

export interface AuthorParts {
  readonly redis: Redis;
  readonly lease: HeldLease;
  readonly leader: string;
  /** Without an exchange the leader admits no other node. */
  readonly alone: boolean;
  readonly model: StoredModel;
  readonly topology: Topology | 'auto';
  /** Incarnation of the leader before this one, which has probably died: left out until it shows life; null when unknown. */
  readonly formerLeader: string | null;
  /** Rows that each expert was given, [layers, experts]; null when nothing is known. */
  readonly counts: () => Float64Array | null;
  /** Called whenever what the nodes are to hold has changed. */
  readonly onPlacement: () => void;
  /** Monotonic clock in ms. */
  readonly now: () => number;
}

/** A node that left may return, so its holdings are replicated elsewhere only after a delay, unless it was the only holder. */
const REPLACE_AFTER_MS = 10_000;

export class PlanAuthor {
  readonly #parts: AuthorParts;
  readonly #suspects = new Suspects();
  #active: GroupPlan | null = null;
  #placement: Placement | null = null;
  #placedFor: readonly NodeReport[] = [];
  #leftAtMs: number | null = null;
  #nodes: readonly NodeReport[] = [];

  constructor(parts: AuthorParts) {
    this.#parts = parts;
    if (parts.formerLeader !== null) this.#suspects.add(parts.formerLeader, parts.now());
  }

  /** The plan in force; null before this leader's first one. */
  get active(): GroupPlan | null {
    return this.#active;
  }

  /** The nodes of the last look, by id. */
  get nodes(): readonly NodeReport[] {
    return this.#nodes;
  }

  /** Leaves nodes out until they show life again. */
  suspect(ids: readonly string[]): void {
    const lost = this.#active?.members.filter(({ id }) => ids.includes(id)) ?? [];
    for (const { incarnation } of lost) this.#suspects.add(incarnation, this.#parts.now());
  }

  /**
   * Reads the live nodes, publishes the target placement, and returns the plan that they allow. Throws `bad_config` when the model does
   * not fit into the nodes' memory, `unavailable` while Redis is unreachable.
   */
  async look(): Promise<PlanChoice> {
    const { redis, lease, leader, alone, model, topology, now } = this.#parts;
    const admitted = admitNodes(await readNodes(redis), lease.group, leader).filter(
      ({ id }) => !alone || id === leader,
    );
    this.#nodes = admitted.filter((node) => node.id === leader || !this.#suspects.has(node, now()));
    const experts = countExperts(model);
    const placement = await this.#place();
    return choosePlan({ leader, active: this.#active, nodes: this.#nodes, placement, experts, topology });
  }

  /** Puts a plan in force. Throws `fenced` when the lease is another's. */
  async publish({ members, topology }: PlannedGroup, reason: string): Promise<GroupPlan> {
    const { redis, lease, leader } = this.#parts;
    const { modelHash } = this.#holdingsOf(leader);
    const classes = members.map(({ id }) => this.#holdingsOf(id).numericsClass);
    const numericsClass = numericsClassOf(this.#holdingsOf(leader).numericsClass, classes);
    const content = { group: lease.group, leader, topology, members, numericsClass, modelHash, reason };
    const seen = Math.max(lease.epoch, this.#active?.epoch ?? 0);
    this.#active = await publishPlan(redis, lease.fence(), { ...content, createdAtMs: Date.now() }, seen);
    return this.#active;
  }

  async #place(): Promise<Placement> {
    const { redis, lease, leader, onPlacement } = this.#parts;
    const staying = this.#nodes.filter((node) => !node.leaving || node.id === leader);
    if (this.#placement !== null && !this.#mustReplace(staying)) return this.#placement;
    const placement = this.#want(staying);
    if (placement === this.#placement) return placement;
    await publishPlacement(redis, lease.group, placement);
    this.#placement = placement;
    this.#placedFor = staying;
    this.#leftAtMs = null;
    onPlacement();
    return placement;
  }

  /** The remaining nodes may lack memory: then the target placement stays until another node joins. */
  #want(nodes: readonly NodeReport[]): Placement {
    const { leader, model, counts } = this.#parts;
    try {
      return desiredPlacement({ model, leader, nodes, counts: counts() });
    } catch (thrown) {
      if (this.#placement === null) throw thrown;
      return this.#placement;
    }
  }

  #mustReplace(nodes: readonly NodeReport[]): boolean {
    const known = new Set(this.#placedFor.map(identityOf));
    if (nodes.some((node) => !known.has(identityOf(node)))) return true;
    if (nodes.length === this.#placedFor.length) {
      this.#leftAtMs = null;
      return false;
    }
    this.#leftAtMs ??= this.#parts.now();
    const held = nodes.map(({ holdings }) => holdings);
    const lacks = missingExperts(held, countExperts(this.#parts.model)).length > 0;
    return lacks || this.#parts.now() - this.#leftAtMs > REPLACE_AFTER_MS;
  }

  #holdingsOf(member: string) {
    const node = this.#nodes.find(({ id }) => id === member);
    if (node === undefined) throw new TypeError('A plan is published after a look that saw its members');
    return node.holdings;
  }
}

/** Several classes in one plan are named together, the leader's first: bits are promised within one only. */
function numericsClassOf(leader: string, members: readonly string[]): string {
  const others = new Set(members.filter((other) => other !== leader));
  return [leader, ...[...others].sort()].join('+');
}

/** What placement depends on. */
function identityOf({ incarnation, holdings }: NodeReport): string {
  const { memoryBytes, maxExperts, kvTokens } = holdings;
  return [incarnation, memoryBytes, maxExperts, kvTokens].join(':');
}
