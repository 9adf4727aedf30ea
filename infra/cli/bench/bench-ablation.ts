// `conclave bench ablation`: the ladder of arXiv 2506.23635, rung by rung, then ours, on nodes of this machine. Each rung is a
// group of its own; rounds go through all of them, so that a slow minute of the machine falls on every rung.
import { writeFileSync } from 'node:fs';
import { expertShape, type ModelDescription } from '../../../native/model-description.ts';
import { groupPlacement, paperGroups } from '../../../workers/cluster/paper-groups.ts';
import { placeExperts } from '../../../workers/cluster/place-experts.ts';
import type { Topology } from '../../messages/group-plan.ts';
import { homeFolder } from '../home-folder.ts';
import { ablationChart } from './ablation-chart.ts';
import type { AblationResult, RungResult } from './ablation-result.ts';
import type { BenchFlags } from './bench-engine.ts';
import { prepareBenchModel, withBenchGroup } from './bench-group.ts';
import type { BenchPolicy } from './bench-policies.ts';
import { say, spreadText, type TableRow, writeResult } from './report-bench.ts';
import { median, spreadOf } from './statistics.ts';
import { kvTokensOf, type StepTimes, timeSteps, WARM_UP_STEPS } from './time-steps.ts';

export interface AblationOptions extends BenchFlags {
  readonly nodes: number;
  readonly streams: number;
  readonly tokens: number;
  readonly rounds: number;
  readonly chart?: string;
}

interface Rung {
  readonly name: string;
  readonly topology: Topology;
  readonly policy: BenchPolicy;
  readonly placement: 'groups' | 'overlap';
}

/** The paper's names, then ours; every node has room for half of the experts throughout. */
const RUNGS: readonly Rung[] = [
  { name: 'naive', topology: 'centralized', policy: 'cold', placement: 'groups' },
  { name: 'P', topology: 'centralized', policy: 'deal', placement: 'groups' },
  { name: 'P-LB', topology: 'centralized', policy: 'busy-full', placement: 'groups' },
  { name: 'P-LR', topology: 'centralized', policy: 'recent', placement: 'groups' },
  { name: 'P-LR-D', topology: 'decentralized', policy: 'recent', placement: 'groups' },
  { name: 'Conclave, centralized', topology: 'centralized', policy: 'least', placement: 'overlap' },
  { name: 'Conclave', topology: 'decentralized', policy: 'least', placement: 'overlap' },
];

export async function benchAblation(options: AblationOptions): Promise<void> {
  const description = await prepareBenchModel(options.model, homeFolder(options.home, process.env));
  const times = new Map<Rung, StepTimes[]>(RUNGS.map((rung) => [rung, []]));
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const [rung, of] of times) {
      const one = await climb(options, description, rung);
      of.push(one);
      say(`round ${round} of ${options.rounds}, ${rung.name}: ${rate(options, one).toFixed(1)} tokens per second`);
    }
  }
  const { model, nodes, streams, tokens, rounds, threads = 1 } = options;
  const rungs = [...times].map(([rung, of]) => rungResult(options, description, rung, of));
  const result: AblationResult = { model, nodes, threads, streams, tokens, rounds, rungs };
  if (options.chart !== undefined) writeFileSync(options.chart, ablationChart(result));
  writeResult(options, result, describe(result));
}

function climb(options: AblationOptions, model: ModelDescription, rung: Rung): Promise<StepTimes> {
  const { nodes, streams, tokens } = options;
  const timed = { streams, steps: tokens, warmUp: WARM_UP_STEPS };
  const { topology, policy } = rung;
  const { experts } = expertShape(model);
  const group = {
    folder: options.model,
    home: homeFolder(options.home, process.env),
    threads: options.threads ?? 1,
    topology,
    policy,
    placement: placementOf(rung, experts, nodes),
    // Room for padding beside the slots of the streams' rows.
    maxRows: streams + experts,
    kvTokens: kvTokensOf(timed),
  };
  return withBenchGroup(group, (bench) => timeSteps(bench, timed));
}

function placementOf({ placement }: Rung, experts: number, nodes: number): readonly (readonly number[])[] {
  const groups = groupPlacement(paperGroups(experts, nodes));
  if (placement === 'groups') return groups;
  return placeExperts({ experts, members: groups.map(({ length }) => ({ slots: length })), counts: null });
}

function rate({ streams }: AblationOptions, { step }: StepTimes): number {
  return streams / step;
}

function rungResult(
  options: AblationOptions,
  model: ModelDescription,
  { name }: Rung,
  times: readonly StepTimes[],
): RungResult {
  const rates = times.map((one) => rate(options, one));
  const { layers } = expertShape(model);
  const perLayer = (of: (one: StepTimes) => number): number => (median(times.map(of)) / layers.length) * 1e3;
  return {
    name,
    tokens_per_second: median(rates),
    moe_ms: perLayer(({ experts }) => experts),
    communication_ms: perLayer(({ wait }) => wait),
    rest_ms: perLayer(({ rest }) => rest),
    spread: { tokens_per_second: spreadOf(rates) },
  };
}

function describe({ rungs }: AblationResult): readonly TableRow[] {
  return [
    ['', 'tokens per second', 'experts, ms/layer', 'communication', 'rest'],
    ...rungs.map(
      ({ name, spread, moe_ms, communication_ms, rest_ms }): TableRow => [
        name,
        spreadText(spread.tokens_per_second, 1),
        moe_ms.toFixed(3),
        communication_ms.toFixed(3),
        rest_ms.toFixed(3),
      ],
    ),
  ];
}
