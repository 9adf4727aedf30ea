// Which member of a group computes each selected expert of a layer. In: the router's choice. Out: a member for every
// (row, rank). Every node computes the same answer from the same routing, so no announcement is needed. See
// native/exchange/expert-assigner.h.
import { DomainError } from '../../infra/errors/domain-error.ts';
import { NativeExpertAssigner } from '../../native/expert-assigner.ts';
import type { LoadPolicy } from '../../native/load-policy.ts';
import { NativeError } from '../../native/native-error.ts';

/** Up to this many rows an expert stays whole; above, it is split over its holders (pieceRows in C++). */
export const PIECE_ROWS = 16;

export interface ExpertHolders {
  /** Indices of the members that hold each expert of each layer: [layers * experts][...members]. */
  readonly holders: readonly (readonly number[])[];
  readonly members: number;
  /** Layers that have experts; default 1. */
  readonly layers?: number;
  /** Pieces in a unit of time, relative to each other: [members]; absent: all alike. */
  readonly speed?: readonly number[];
  /** Default: the largest load is as small as any assignment of pieces can make it. */
  readonly policy?: LoadPolicy;
}

/** Assigns selected experts to members. */
export interface Assigner {
  /** Writes the member of each slot of a layer, counted among those that have experts. experts, nodes: [rows, topK], flat. */
  assign(layer: number, experts: Int32Array, nodes: Int32Array): void;
}

/** Assigns for one placement. */
export class ExpertAssigner implements Assigner {
  readonly #holders: readonly (readonly number[])[];
  readonly #layers: number;
  readonly #native: NativeExpertAssigner;

  /** Throws RangeError when a holder is no member or a speed is not positive. */
  constructor({ holders, members, layers = 1, speed, policy = { name: 'least' } }: ExpertHolders) {
    if (holders.some((of) => of.some((member) => !(member >= 0 && member < members)))) {
      throw new RangeError(`Expected holders from 0 to ${members - 1}.`);
    }
    if (speed?.some((value) => !(value > 0))) throw new RangeError('Expected positive speeds.');
    this.#holders = holders;
    this.#layers = layers;
    this.#native = new NativeExpertAssigner(
      holders,
      Array.from({ length: members }, (_, member) => speed?.[member] ?? 1),
      layers,
      policy,
    );
  }

  /** Throws DomainError `unavailable` naming a selected expert without a holder. */
  assign(layer: number, experts: Int32Array, nodes: Int32Array): void {
    try {
      this.#native.assign(layer, experts, nodes);
    } catch (thrown) {
      if (!(thrown instanceof NativeError && thrown.code === 'unavailable')) throw thrown;
      const first = (layer * this.#holders.length) / this.#layers;
      const expert = experts.find((selected) => this.#holders[first + selected]?.length === 0);
      throw new DomainError('unavailable', thrown.message, { param: String(expert), cause: thrown });
    }
  }
}
