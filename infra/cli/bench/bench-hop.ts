// `conclave bench hop`: what it costs that the nodes of a group give each other the rows of a layer, beside bare Redis
// commands.
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Topology } from '../../messages/group-plan.ts';
import { type HopTimes, runHopNode } from './hop-node.ts';
import { say, spreadText, writeResult } from './report-bench.ts';
import { median, type Spread, spreadOf } from './statistics.ts';
import { withExchange } from './with-exchange.ts';

export interface HopOptions {
  readonly nodes: readonly number[];
  /** Tokens of a step. */
  readonly rows: readonly number[];
  readonly topology: Topology;
  readonly topK: number;
  /** Of the exchange; else one is started. */
  readonly exchange?: string;
  readonly width: number;
  readonly blocks: number;
  readonly rounds: number;
  readonly warmUp: number;
  readonly json?: true;
}

/** One line of `bench hop --json`. */
export interface HopResult {
  readonly nodes: number;
  readonly rows: number;
  /** Of each node's frame. */
  readonly bytes: number;
  readonly hop_us: Spread;
  readonly bare_us: Spread;
  /** Of neighbouring blocks; median. */
  readonly ratio: number;
}

export async function benchHop(options: HopOptions): Promise<void> {
  await withExchange(options.exchange, async (url) => {
    const results: HopResult[] = [];
    for (const nodes of options.nodes) {
      for (const rows of options.rows) results.push(await measure(options, url, nodes, rows));
    }
    writeResult(options, { topology: options.topology, width: options.width, top_k: options.topK, hops: results }, [
      ['nodes', 'rows', 'KB', 'hop, us', 'bare, us', 'hop / bare'],
      ...results.map(
        ({ nodes, rows, bytes, hop_us, bare_us, ratio }) =>
          [
            String(nodes),
            String(rows),
            (bytes / 1e3).toFixed(1),
            spreadText(hop_us, 0),
            spreadText(bare_us, 0),
            ratio.toFixed(2),
          ] as const,
      ),
    ]);
  });
}

async function measure(options: HopOptions, exchangeUrl: string, nodes: number, rows: number): Promise<HopResult> {
  const { topology, width, blocks, rounds, warmUp } = options;
  const slots = Math.max(1, Math.round((rows * options.topK) / nodes));
  const config = {
    exchangeUrl,
    group: `bench-${process.pid}-${nodes}-${rows}`,
    topology,
    nodes,
    slots,
    width,
    blocks,
    rounds,
    warmUp,
  };
  const others = Array.from({ length: nodes - 1 }, (_, index) => startNode({ ...config, index: index + 1 }));
  try {
    const times = await Promise.race([runHopNode({ ...config, index: 0 }), ...others.map(failed)]);
    say(`${nodes} nodes, ${rows} rows: ${(median(times.exchange) * 1e6).toFixed(0)} us`);
    return resultOf(nodes, rows, slots * width * 2, times);
  } finally {
    for (const other of others) other.kill();
  }
}

function startNode(config: object): ChildProcess {
  const path = fileURLToPath(new URL('./hop-node.js', import.meta.url));
  const child = fork(path, ['hop-node']);
  child.send(config);
  return child;
}

/** Rejects when a node ends badly; never settles otherwise. */
function failed(child: ChildProcess): Promise<never> {
  return new Promise((_, reject) => {
    child.once('exit', (code) => {
      if (code !== 0 && code !== null) reject(new Error(`A node of the bench ended with code ${code}.`));
    });
  });
}

function resultOf(nodes: number, rows: number, bytes: number, { exchange, bare }: HopTimes): HopResult {
  const micros = (seconds: readonly number[]): Spread => spreadOf(seconds.map((value) => value * 1e6));
  const ratio = median(exchange.map((seconds, block) => seconds / (bare[block] ?? Number.NaN)));
  return { nodes, rows, bytes, hop_us: micros(exchange), bare_us: micros(bare), ratio };
}
