// Rounds of `conclave bench hop` as centralized groups take them: JavaScript's side of the exchange, and bare commands by
// ioredis.
import type { Redis } from 'ioredis';
import { ExchangeLink } from '../../../workers/exchange/exchange-link.ts';
import { IncomingFrames } from '../../../workers/exchange/incoming-frames.ts';
import type { GroupPlan } from '../../messages/group-plan.ts';
import type { LayerFrame } from '../../messages/layer-frame.ts';
import { connectRedis } from '../../redis/connect.ts';
import { keyOf } from '../../redis/keys.ts';
import type { HopConfig, HopRounds } from './hop-rounds.ts';

const BYTES_PER_VALUE = 2;

export function openLayeredRounds(config: HopConfig): HopRounds {
  const exchange = openExchangeRounds(config);
  const bare = openTransportRounds(config);
  return {
    exchange: (block, rounds) => secondsOf(exchange.round, block, rounds),
    bare: (block, rounds) => secondsOf(bare.round, block, rounds),
    close: async () => {
      await Promise.all([exchange.close(), bare.close()]);
    },
  };
}

interface Rounds {
  readonly round: (block: number, index: number) => Promise<void>;
  readonly close: () => Promise<void>;
}

async function secondsOf(round: Rounds['round'], block: number, rounds: number): Promise<number> {
  const startedMs = performance.now();
  for (let index = 0; index < rounds; index += 1) await round(block, index);
  return (performance.now() - startedMs) / 1e3;
}

/** As a decentralized step does it: block = step, round = layer. */
function openExchangeRounds({ exchangeUrl, group, nodes, index: me, slots, width }: HopConfig): Rounds {
  const incoming = new IncomingFrames();
  const fail = (problem: unknown): void => incoming.interrupt(problem);
  const link = new ExchangeLink(
    { group, nodeId: `node-${me}`, exchangeUrl, ownExchangeUrl: null },
    {
      onLog: () => {},
      onFrame: (from, frame) => incoming.arrive(from, frame),
      onBadEntry: (_, problem) => fail(problem),
      onProblem: fail,
    },
  );
  const plan = hopPlan(group, nodes);
  incoming.beginEpoch(plan.epoch);
  link.usePlan(plan, me, true);
  const round = (step: number, layer: number): Promise<void> => {
    link.broadcast(hopFrame(plan.epoch, step, layer, slots, width), 1);
    let missing = nodes - 1;
    const accept = (): boolean => {
      missing -= 1;
      return missing === 0;
    };
    return incoming.wait({ epoch: plan.epoch, step, layer, kind: 'outputs' }, accept, null);
  };
  return { round, close: () => link.close() };
}

function hopFrame(epoch: number, step: number, layer: number, slots: number, width: number): LayerFrame {
  const header = { kind: 'outputs', dtype: 'bf16', attempt: 0, digest: 0, expertMicros: 0, padding: 0 } as const;
  // Experts write into memory of the frame's own, too.
  const body = Buffer.allocUnsafeSlow(slots * width * BYTES_PER_VALUE);
  return { ...header, epoch, step, layer, rows: slots, width, slots, body };
}

function hopPlan(group: string, nodes: number): GroupPlan {
  const members = Array.from({ length: nodes }, (_, index) => ({
    id: `node-${index}`,
    incarnation: '',
    experts: [],
    shared: true,
    exchangeUrl: null,
    speed: 1,
  }));
  const facts = { numericsClass: '', modelHash: '', reason: 'bench', createdAtMs: 0 };
  return { group, epoch: 1, leader: 'node-0', topology: 'decentralized', members, ...facts };
}

/** XADD of the same bytes, and blocking XREADs until those of all others are here. */
function openTransportRounds({ exchangeUrl, group, nodes, index: me, slots, width }: HopConfig): Rounds {
  const connect = (name: string): Redis => connectRedis({ url: exchangeUrl, role: 'exchange', name, retry: 'forever' });
  const [writer, reader] = [connect('bare-out'), connect('bare')];
  const streamOf = (node: number): string => keyOf('frames', `${group}:bare-${node}`);
  const others = Array.from({ length: nodes }, (_, node) => node).filter((node) => node !== me);
  const round = async (block: number, index: number): Promise<void> => {
    const id = `${block + 1}-${index + 1}`;
    const body = Buffer.allocUnsafeSlow(slots * width * BYTES_PER_VALUE);
    const writing = writer.call('xadd', streamOf(me), 'MAXLEN', 4, id, 'b', body);
    const missing = new Set(others.map(streamOf));
    while (missing.size > 0) {
      const after = [...missing].map(() => `${block + 1}-${index}`);
      const reply = await reader.callBuffer('xread', ['BLOCK', 0, 'STREAMS', ...missing, ...after]);
      for (const [stream] of reply as readonly (readonly [Buffer])[]) missing.delete(stream.toString());
    }
    await writing;
  };
  const close = async (): Promise<void> => {
    writer.disconnect();
    reader.disconnect();
  };
  return { round, close };
}
