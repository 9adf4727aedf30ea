// How long the exchange of a layer between nodes takes when nothing is computed: rounds of the native exchange, and of bare commands by
// the same client.
import type { AddonHopProbe } from './addon-types.ts';
import { type GroupStreams, toAddonStreams } from './group-member.ts';
import { loadAddon } from './load-addon.ts';
import { refusing } from './native-error.ts';

export interface HopProbeOptions extends GroupStreams {
  readonly topology: 'centralized' | 'decentralized';
  /** Streams of bare rounds; this node writes bare[me], and node 0 of centralized ones each other's with `>` behind: [nodes]. */
  readonly bare: readonly string[];
  readonly me: number;
  /** Of every node's frame: outputs [slots, width] of 2 bytes each. */
  readonly slots: number;
  readonly width: number;
}

export class HopProbe {
  readonly #raw: AddonHopProbe;

  private constructor(raw: AddonHopProbe) {
    this.#raw = raw;
  }

  /** Connects. Throws NativeError `exchange`. */
  static open({ topology, bare, me, slots, width, ...streams }: HopProbeOptions): HopProbe {
    const centralized = topology === 'centralized';
    return refusing(
      () =>
        new HopProbe(loadAddon().createHopProbe({ ...toAddonStreams(streams), centralized, bare, me, slots, width })),
    );
  }

  /**
   * Seconds of `rounds` rounds, at most 65,535, each of what the nodes exchange in a layer of that topology. Blocks.
   * `block` ascends from 1. Throws NativeError `exchange`.
   */
  exchangeSeconds(block: number, rounds: number): number {
    return refusing(() => this.#raw.exchangeSeconds(block, rounds));
  }

  /** The same by one XADD and blocking XREADs. */
  transportSeconds(block: number, rounds: number): number {
    return refusing(() => this.#raw.transportSeconds(block, rounds));
  }
}
