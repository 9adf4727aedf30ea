// One of the nodes of `conclave bench hop`: the same rounds with everybody else, by the exchange of the product and by bare
// commands on the same Redis with the same client. In: a configuration. Out: seconds of each block of rounds.
import { openLayeredRounds } from './layered-rounds.ts';
import { openNativeRounds } from './native-rounds.ts';

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

/** Seconds per round of each block, blocks of either kind taking turns. */
export interface HopTimes {
  readonly exchange: number[];
  readonly bare: number[];
}

/** In a round every node sends a frame to all others and waits for theirs. */
export interface HopRounds {
  /** Seconds of `rounds` rounds; block ascends from 1. */
  exchange(block: number, rounds: number): Promise<number>;
  bare(block: number, rounds: number): Promise<number>;
  close(): Promise<void>;
}

/** Who talks to Redis: the addon, as in decentralized groups, or JavaScript, as in centralized ones. */
export type HopClient = 'native' | 'ioredis';

/** A first block of each kind warms up. */
export async function runHopNode(config: HopConfig): Promise<HopTimes> {
  const { blocks, rounds, warmUp } = config;
  const open = config.client === 'native' ? openNativeRounds : openLayeredRounds;
  const measured = open(config);
  const times: HopTimes = { exchange: [], bare: [] };
  await measured.exchange(1, warmUp);
  await measured.bare(1, warmUp);
  for (let block = 2; block <= blocks + 1; block += 1) {
    times.exchange.push((await measured.exchange(block, rounds)) / rounds);
    times.bare.push((await measured.bare(block, rounds)) / rounds);
  }
  await measured.close();
  return times;
}

// As a process of its own, which only takes part: node 0 keeps the time.
if (process.argv[2] === 'hop-node') {
  process.once('message', (config) => {
    void runHopNode(config as HopConfig).then(() => process.disconnect());
  });
}
