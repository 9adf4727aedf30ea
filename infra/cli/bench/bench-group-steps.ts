// `conclave bench group`: decode steps of a group of nodes against one node with as many threads, in both topologies. The two
// take turns, so that a slow minute of the machine falls on both.
import { expertShape, type ModelDescription } from '../../../native/model-description.ts';
import { disjointPlacement } from '../../../workers/cluster/paper-groups.ts';
import { TOPOLOGIES, type Topology } from '../../messages/group-plan.ts';
import { homeFolder } from '../home-folder.ts';
import type { BenchFlags } from './bench-engine.ts';
import { prepareBenchModel, withBenchGroup } from './bench-group.ts';
import { say, spreadText, type TableRow, writeResult } from './report-bench.ts';
import { type Spread, spreadOf } from './statistics.ts';
import { kvTokensOf, timeSteps } from './time-steps.ts';

export interface GroupOptions extends BenchFlags {
  readonly nodes: number;
  readonly streams: readonly number[];
  /** all: every node holds every expert; disjoint: each expert is on one node. */
  readonly experts: 'all' | 'disjoint';
  /** URLs of exchanges to be compared; else one is started. */
  readonly exchange?: readonly string[];
  readonly tokens: number;
  readonly warmUp: number;
  readonly rounds: number;
}

/** One line of `bench group --json`. */
export interface GroupResult {
  /** Host and port of an exchange that was named. */
  readonly exchange?: string;
  readonly topology: Topology;
  readonly streams: number;
  readonly step_ms: Spread;
  readonly one_node_step_ms: Spread;
  /** The node's time over the group's, of neighbouring measurements: 1 means that splitting costs nothing. */
  readonly speed: Spread;
}

/** The variants that are measured alternately; null: one node. */
type Way = { readonly topology: Topology; readonly exchange?: string } | null;

export async function benchGroupSteps(options: GroupOptions): Promise<void> {
  const model = await prepareBenchModel(options.model, homeFolder(options.home, process.env));
  const results: GroupResult[] = [];
  for (const streams of options.streams) results.push(...(await measure(options, model, streams)));
  const { nodes, experts, rounds, threads = 1 } = options;
  writeResult(options, { model: options.model, nodes, threads, experts, rounds, groups: results }, [
    ['', 'exchange', 'streams', 'step, ms', 'one node, ms', 'speed against one node'],
    ...results.map(
      ({ topology, exchange, streams, step_ms, one_node_step_ms, speed }): TableRow => [
        topology,
        exchange ?? 'its own',
        String(streams),
        spreadText(step_ms, 1),
        spreadText(one_node_step_ms, 1),
        spreadText(speed, 2),
      ],
    ),
  ]);
}

async function measure(options: GroupOptions, model: ModelDescription, streams: number): Promise<GroupResult[]> {
  const ways = waysOf(options.exchange);
  const times = new Map<Way, number[]>([null, ...ways].map((way) => [way, []]));
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const [way, steps] of times) {
      const step = await timeWay(options, model, streams, way);
      steps.push(step);
      say(
        `round ${round}, ${streams} streams, ${way === null ? 'one node' : nameOf(way)}: ${(step * 1e3).toFixed(1)} ms a step`,
      );
    }
  }
  const one = times.get(null) ?? [];
  return ways.map((way) => {
    const steps = times.get(way) ?? [];
    const speed = spreadOf(steps.map((step, round) => (one[round] ?? Number.NaN) / step));
    const named = way.exchange === undefined ? {} : { exchange: withoutSecrets(way.exchange) };
    const { topology } = way;
    return { topology, ...named, streams, step_ms: milliseconds(steps), one_node_step_ms: milliseconds(one), speed };
  });
}

function waysOf(exchanges: readonly string[] | undefined): readonly NonNullable<Way>[] {
  return TOPOLOGIES.flatMap((topology) => exchanges?.map((exchange) => ({ topology, exchange })) ?? [{ topology }]);
}

function nameOf({ topology, exchange }: NonNullable<Way>): string {
  return exchange === undefined ? topology : `${topology} over ${withoutSecrets(exchange)}`;
}

function withoutSecrets(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${host === '' ? pathname : ''}`;
}

async function timeWay(options: GroupOptions, model: ModelDescription, streams: number, way: Way): Promise<number> {
  const timed = { streams, steps: options.tokens, warmUp: options.warmUp };
  const nodes = way === null ? 1 : options.nodes;
  const group = {
    folder: options.model,
    home: homeFolder(options.home, process.env),
    threads: ((options.threads ?? 1) * options.nodes) / nodes,
    ...(way ?? { topology: 'centralized' }),
    policy: 'least',
    placement: placementOf(options, expertShape(model).experts, nodes),
    maxRows: streams,
    kvTokens: kvTokensOf(timed),
  } as const;
  const { step } = await withBenchGroup(group, (bench) => timeSteps(bench, timed));
  return step;
}

function placementOf(options: GroupOptions, experts: number, nodes: number): readonly (readonly number[])[] {
  if (options.experts === 'disjoint') return disjointPlacement(experts, nodes);
  const all = Array.from({ length: experts }, (_, expert) => expert);
  return Array.from({ length: nodes }, () => all);
}

function milliseconds(seconds: readonly number[]): Spread {
  return spreadOf(seconds.map((value) => value * 1e3));
}
