// What a prediction of a step is made from, and what it is made of.
import type { Routings } from '../cluster/expected-load.ts';
import type { StoredModel } from '../model/stored-model.ts';
import type { Assigner } from '../node/assign-experts.ts';
import type { Link, PlannedNode, SoftwareCost } from './machine.ts';

export interface StepInput {
  readonly model: StoredModel;
  /** The leader first. */
  readonly nodes: readonly PlannedNode[];
  readonly link: Link;
  readonly software: SoftwareCost;
  readonly topology: 'centralized' | 'decentralized';
  /** Streams that decode together, one row each. */
  readonly rows: number;
  /** Positions that each row attends to. */
  readonly context: number;
  readonly assigner: Assigner;
  /** Experts that each node computes whatever was selected, as L_B does; null: the selected ones. */
  readonly alwaysComputed: readonly (readonly number[])[] | null;
  readonly routings: Routings;
}

/** Seconds of one step by cause. */
export interface StepSeconds {
  /** Reading weights and KV cache. */
  readonly load: number;
  /** Arithmetic that reading does not hide. */
  readonly compute: number;
  readonly latency: number;
  readonly transfer: number;
  readonly software: number;
}
