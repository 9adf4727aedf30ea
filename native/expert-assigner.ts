// Which member of a group computes each selected expert of a layer: exchange/expert-assigner.h, for one placement.
import type { AddonExpertAssigner } from './addon-types.ts';
import { loadAddon } from './load-addon.ts';
import { toNativeError } from './native-error.ts';

export class NativeExpertAssigner {
  readonly #raw: AddonExpertAssigner;

  /**
   * holders: indices of the members that hold each expert, [experts][...members]; speed: [members]. Throws NativeError
   * `invalid_argument` when a holder is no member or a speed is not positive.
   */
  constructor(holders: readonly (readonly number[])[], speed: readonly number[]) {
    const offsets = new Int32Array(holders.length + 1);
    for (const [expert, { length }] of holders.entries()) offsets[expert + 1] = (offsets[expert] ?? 0) + length;
    this.#raw = guarded(() =>
      loadAddon().createAssigner(offsets, Int32Array.from(holders.flat()), Float64Array.from(speed)),
    );
  }

  /**
   * Writes the member of each slot to the first elements of `members`. experts: [rows, topK], flat. Throws NativeError
   * `unavailable` when nobody holds a selected expert, `invalid_argument` for an expert that does not exist.
   */
  assign(experts: Int32Array, members: Int32Array): void {
    guarded(() => this.#raw.assign(experts, members));
  }
}

function guarded<T>(call: () => T): T {
  try {
    return call();
  } catch (thrown) {
    throw toNativeError(thrown);
  }
}
