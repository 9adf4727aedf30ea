// Which member of a group computes each selected expert of a layer: exchange/load-policy.h, for one placement.
import type { AddonExpertAssigner } from './addon-types.ts';
import { loadAddon } from './load-addon.ts';
import { type LoadPolicy, toAddonPolicy } from './load-policy.ts';
import { refusing } from './native-error.ts';

export class NativeExpertAssigner {
  readonly #raw: AddonExpertAssigner;

  /**
   * holders: indices of the members that hold each expert of each layer, [layers * experts][...members]; speed: [members].
   * Throws NativeError `invalid_argument` when a holder is no member or a speed is not positive.
   */
  constructor(holders: readonly (readonly number[])[], speed: readonly number[], layers: number, policy: LoadPolicy) {
    const { holderOffsets, holders: flat } = flatHolders(holders);
    this.#raw = refusing(() =>
      loadAddon().createAssigner(holderOffsets, flat, Float64Array.from(speed), layers, toAddonPolicy(policy)),
    );
  }

  /**
   * Writes the member of each slot of a MoE layer to the first elements of `members`. experts: [rows, topK], flat. Throws
   * NativeError `unavailable` if a selected expert has no holder, `invalid_argument` for one that does not exist.
   */
  assign(layer: number, experts: Int32Array, members: Int32Array): void {
    refusing(() => this.#raw.assign(layer, experts, members));
  }
}

/** As the addon takes them: holders of the expert of an id are those from holderOffsets[id] to before holderOffsets[id + 1]. */
export function flatHolders(holders: readonly (readonly number[])[]): {
  readonly holderOffsets: Int32Array;
  readonly holders: Int32Array;
} {
  const holderOffsets = new Int32Array(holders.length + 1);
  for (const [expert, { length }] of holders.entries()) {
    holderOffsets[expert + 1] = (holderOffsets[expert] ?? 0) + length;
  }
  return { holderOffsets, holders: Int32Array.from(holders.flat()) };
}
