// What a node of `conclave bench hop` measures, and how.
import type { Topology } from '../../messages/group-plan.ts';

export interface HopConfig {
  readonly exchangeUrl: string;
  /** Names the streams of this measurement. */
  readonly group: string;
  readonly nodes: number;
  readonly index: number;
  readonly topology: Topology;
  /** Rows of outputs in every node's frame. */
  readonly slots: number;
  /** Values of a row, 2 bytes each. */
  readonly width: number;
  readonly blocks: number;
  readonly rounds: number;
  /** Rounds of either kind before those that count. */
  readonly warmUp: number;
}

/** A round is what the nodes exchange in a layer. */
export interface HopRounds {
  /** Seconds of `rounds` rounds; block ascends from 1. */
  exchange(block: number, rounds: number): Promise<number>;
  bare(block: number, rounds: number): Promise<number>;
  close(): Promise<void>;
}
