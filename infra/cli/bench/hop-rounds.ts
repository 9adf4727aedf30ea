// What a node of `conclave bench hop` measures, and how.

export interface HopConfig {
  readonly exchangeUrl: string;
  /** Names the streams of this measurement. */
  readonly group: string;
  readonly nodes: number;
  readonly index: number;
  readonly client: HopClient;
  /** Rows of outputs in every node's frame. */
  readonly slots: number;
  /** Values of a row, 2 bytes each. */
  readonly width: number;
  readonly blocks: number;
  readonly rounds: number;
  /** Rounds of either kind before those that count: until the JavaScript engine has compiled them for good. */
  readonly warmUp: number;
}

/** Which client talks to Redis: the addon, as in decentralized groups, or JavaScript, as in centralized ones. */
export type HopClient = 'native' | 'ioredis';

/** In a round every node sends a frame to all others and waits for theirs. */
export interface HopRounds {
  /** Seconds of `rounds` rounds; block ascends from 1. */
  exchange(block: number, rounds: number): Promise<number>;
  bare(block: number, rounds: number): Promise<number>;
  close(): Promise<void>;
}
