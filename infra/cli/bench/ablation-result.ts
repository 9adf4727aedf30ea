// What `conclave bench ablation` reports.
import type { Spread } from './statistics.ts';

/** Milliseconds of a layer on the leader: medians over the rounds. */
export interface RungResult {
  readonly name: string;
  readonly tokens_per_second: number;
  /** The leader's own experts, padding included. */
  readonly moe_ms: number;
  /** From when they are done until all outputs are here: frames, and waiting for a busier node. */
  readonly communication_ms: number;
  /** The rest: attention, router, lm_head, software. */
  readonly rest_ms: number;
  readonly spread: { readonly tokens_per_second: Spread };
}

export interface AblationResult {
  readonly model: string;
  readonly nodes: number;
  readonly threads: number;
  readonly streams: number;
  readonly tokens: number;
  readonly rounds: number;
  readonly rungs: readonly RungResult[];
}
