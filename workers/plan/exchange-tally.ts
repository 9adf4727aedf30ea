// Time that a step spends on the link. In: the members with outputs in each routing. Out: seconds of latency and transfer. Pure.
//
// Decentralized: one exchange a layer, in which every node with outputs sends them to all others. Centralized: two, rows out
// from the leader and the others' outputs back. A node's port sends or takes in one frame after the other.
import { BYTES_PER_ACTIVATION, expertShape } from '../../native/model-description.ts';
import type { StepInput, StepSeconds } from './step-input.ts';

/** Collects what the routings of a layer ask of the link. */
export class ExchangeTally {
  readonly #input: StepInput;
  /** Draws in which a node is the only one with outputs: [nodes]. */
  readonly #alone: number[];
  #draws = 0;
  /** Sum of the outputs of the node with the most. */
  #busiestSlots = 0;

  constructor(input: StepInput) {
    this.#input = input;
    this.#alone = input.nodes.map(() => 0);
  }

  /** slots: outputs of each node in one draw. */
  count(slots: readonly number[]): void {
    this.#draws += 1;
    this.#busiestSlots += Math.max(...slots);
    const first = slots.findIndex((count) => count > 0);
    if (first === slots.findLastIndex((count) => count > 0)) this.#alone[first] = (this.#alone[first] ?? 0) + 1;
  }

  /** Of a whole step. */
  seconds(): Pick<StepSeconds, 'latency' | 'transfer'> {
    const { model, nodes, link, topology, rows } = this.#input;
    const others = nodes.length - 1;
    if (others === 0) return { latency: 0, transfer: 0 };
    const exchange = link.latencySeconds + link.perNodeSeconds * (others - 1);
    const rowBytes = model.dModel * BYTES_PER_ACTIVATION[model.activations];
    const layers = expertShape(model).layers.length;
    const busiestSlots = this.#busiestSlots / this.#draws;
    const sentRows = others * (topology === 'decentralized' ? busiestSlots : rows + busiestSlots);
    return {
      latency: layers * this.#exchanges() * exchange + link.stepSeconds,
      transfer: (layers * sentRows * rowBytes) / link.bytesPerSecond,
    };
  }

  /**
   * Exchanges that a layer waits for, on average. Centralized: none when all its experts are on the leader. Decentralized:
   * none when they are all on one node and so were those of the layer before, because that node has all it needs.
   */
  #exchanges(): number {
    const shares = this.#alone.map((count) => count / this.#draws);
    if (this.#input.topology === 'centralized') return 2 * (1 - (shares[0] ?? 0));
    return 1 - shares.reduce((sum, share) => sum + share ** 2, 0);
  }
}
