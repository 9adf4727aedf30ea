// One of the nodes of `conclave bench hop`: the same rounds with all others, by the exchange of the product and by bare
// commands on the same Redis with the same client. In: a configuration. Out: seconds of each block of rounds.
import type { HopConfig } from './hop-rounds.ts';
import { openRounds } from './open-rounds.ts';

/** Seconds per round of each block, blocks of either kind taking turns. */
export interface HopTimes {
  readonly exchange: number[];
  readonly bare: number[];
}

/** A first block of each kind warms up. */
export async function runHopNode(config: HopConfig): Promise<HopTimes> {
  const { blocks, rounds, warmUp } = config;
  const measured = await openRounds(config);
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
