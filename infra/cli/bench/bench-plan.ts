// `conclave bench plan`: the planner against this machine. One model calibrates it; others are measured to see how far its
// predictions are off. The calibration is a file that `conclave plan` reads.
import { writeFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { stringify } from 'yaml';
import { expertShape } from '../../../native/model-description.ts';
import { readBandwidth } from '../../../native/read-probe.ts';
import { placeExperts } from '../../../workers/cluster/place-experts.ts';
import { inspectModel } from '../../../workers/model/inspect-model.ts';
import type { StoredModel } from '../../../workers/model/stored-model.ts';
import { filesOf, type OpenedPacks } from '../../../workers/pack/open-packs.ts';
import { type Calibration, calibrate, type ReadRates } from '../../../workers/plan/calibrate.ts';
import type { PlannedNode } from '../../../workers/plan/machine.ts';
import { type ClusterInput, planCluster, type Topology } from '../../../workers/plan/plan-cluster.ts';
import { homeFolder } from '../home-folder.ts';
import type { PlanFileInput } from '../plan/plan-schema.ts';
import type { BenchFlags } from './bench-engine.ts';
import { prepareBenchModel, withBenchGroup } from './bench-group.ts';
import { say, spreadText, type TableRow, writeResult } from './report-bench.ts';
import { median, type Spread, spreadOf } from './statistics.ts';
import { kvTokensOf, type StepTimes, timeSteps, WARM_UP_STEPS } from './time-steps.ts';

export interface BenchPlanOptions extends BenchFlags {
  /** Models to predict and measure beside the one that calibrates. */
  readonly check: readonly string[];
  readonly nodes: readonly number[];
  readonly topology: Topology;
  readonly streams: number;
  readonly tokens: number;
  readonly rounds: number;
  readonly out?: string;
}

export interface PlanCheck {
  readonly model: string;
  readonly nodes: number;
  readonly calibrates: boolean;
  readonly predicted_tokens_per_second: number;
  readonly measured_tokens_per_second: number;
  /** Predicted over measured, less one. */
  readonly error: number;
  readonly spread: { readonly measured_tokens_per_second: Spread };
}

export interface PlanResult {
  /** The one that calibrates. */
  readonly model: string;
  readonly topology: Topology;
  readonly threads: number;
  readonly streams: number;
  readonly rounds: number;
  /** Read by one node's threads, and by all cores. */
  readonly node_bytes_per_second: number;
  readonly host_bytes_per_second: number;
  readonly layer_microseconds: number;
  readonly exchange_microseconds: number;
  readonly further_node_microseconds: number;
  readonly step_microseconds: number;
  readonly checks: readonly PlanCheck[];
}

/** A model and what was measured of it. */
interface Measured {
  readonly folder: string;
  readonly model: StoredModel;
  /** Of a step, one for each round: by number of nodes. */
  readonly steps: ReadonlyMap<number, StepTimes[]>;
}

/** Read rates, one of each for each round, in bytes per second. */
interface Rates {
  readonly node: number[];
  readonly host: number[];
}

/** Frames of a few kilobytes: what Redis on loopback carries hardly shows, see `conclave bench hop`. */
const LOOPBACK_BYTES_PER_SECOND = 1e9;
/** No machine computes a decode step so slowly that this would matter; arithmetic is not measured here. */
const FLOPS = 1e12;

export async function benchPlan(options: BenchPlanOptions): Promise<void> {
  const rates: Rates = { node: [], host: [] };
  const models: Measured[] = [];
  for (const folder of [options.model, ...options.check]) models.push(await openMeasured(options, folder));
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const measured of models) await measureRound(options, measured, rates, round);
  }
  const [calibrating] = models;
  if (calibrating === undefined) throw new TypeError('There is a model to calibrate with.');
  const calibration = calibrate({
    ...inputOf(options, calibrating.model),
    rates: { bytesPerSecond: median(rates.node), hostBytesPerSecond: median(rates.host) },
    nodesOf: (count, read) => nodesOf(read, calibrating.model, count),
    steps: [...calibrating.steps].map(([nodes, rounds]) => ({
      nodes,
      secondsPerStep: median(rounds.map(({ step }) => step)),
      aroundSeconds: median(rounds.map(({ around }) => around)),
    })),
    linkBytesPerSecond: LOOPBACK_BYTES_PER_SECOND,
  });
  const checks = models.flatMap((measured) => checkModel(options, measured, calibration));
  if (options.out !== undefined) writePlanFile(options, options.out, calibration);
  const { latencySeconds, perNodeSeconds, stepSeconds } = calibration.link;
  const { bytesPerSecond, hostBytesPerSecond } = calibration.rates;
  const result: PlanResult = {
    model: options.model,
    topology: options.topology,
    threads: threadsOf(options),
    streams: options.streams,
    rounds: options.rounds,
    node_bytes_per_second: bytesPerSecond,
    host_bytes_per_second: hostBytesPerSecond,
    layer_microseconds: calibration.software.layerSeconds * 1e6,
    exchange_microseconds: latencySeconds * 1e6,
    further_node_microseconds: perNodeSeconds * 1e6,
    step_microseconds: stepSeconds * 1e6,
    checks,
  };
  writeResult(options, result, describe(result));
}

function threadsOf({ threads }: BenchPlanOptions): number {
  return threads ?? 1;
}

async function openMeasured(options: BenchPlanOptions, folder: string): Promise<Measured> {
  const model = await prepareBenchModel(folder, homeFolder(options.home, process.env));
  return { folder, model, steps: new Map(options.nodes.map((nodes) => [nodes, []])) };
}

async function measureRound(options: BenchPlanOptions, measured: Measured, rates: Rates, round: number): Promise<void> {
  const timed = { streams: options.streams, steps: options.tokens, warmUp: WARM_UP_STEPS };
  for (const [nodes, rounds] of measured.steps) {
    const group = {
      folder: measured.folder,
      home: homeFolder(options.home, process.env),
      threads: threadsOf(options),
      topology: options.topology,
      placement: placementOf(measured.model, nodes),
      policy: 'least',
      maxRows: options.streams,
      kvTokens: kvTokensOf(timed),
    } as const;
    const times = await withBenchGroup(group, async (bench) => {
      if (measured.folder === options.model) probe(options, bench.packs, rates);
      return timeSteps(bench, timed);
    });
    rounds.push(times);
    const rate = (options.streams / times.step).toFixed(1);
    say(`round ${round} of ${options.rounds}, ${measured.folder} on ${nodes} nodes: ${rate} tokens per second`);
  }
}

function probe(options: BenchPlanOptions, packs: OpenedPacks, rates: Rates): void {
  const files = filesOf(packs);
  rates.node.push(readBandwidth(files, threadsOf(options)));
  rates.host.push(readBandwidth(files, availableParallelism()));
}

/** One node holds all; several have room for half of the experts each, or what it takes to hold all. */
function placementOf(model: StoredModel, nodes: number): readonly (readonly number[])[] {
  const { experts } = expertShape(model);
  return placeExperts({
    experts,
    members: Array.from({ length: nodes }, () => ({ slots: slotsOf(experts, nodes) })),
    counts: null,
  });
}

function slotsOf(experts: number, nodes: number): number {
  return nodes === 1 ? experts : Math.ceil(experts / 2);
}

function inputOf(options: BenchPlanOptions, model: StoredModel): Omit<ClusterInput, 'nodes' | 'link' | 'software'> {
  const { topology, streams, tokens } = options;
  return { model, topology, streams, policy: 'overlap', context: WARM_UP_STEPS + Math.ceil(tokens / 2), counts: null };
}

/** Nodes of this machine with room for as many experts as the measurement gave them. */
function nodesOf(rates: ReadRates, model: StoredModel, count: number): readonly PlannedNode[] {
  const slots = slotsOf(expertShape(model).experts, count);
  const { bytes } = inspectModel(model, 1);
  // The context of a bench takes less than an expert.
  const memoryBytes = bytes.shared + (slots + 0.99) * bytes.expert;
  return Array.from({ length: count }, (_, index) => ({
    ...rates,
    name: `node-${index + 1}`,
    host: 'this',
    memoryBytes,
    maxExperts: null,
    flops: FLOPS,
    hostFlops: FLOPS,
    dollars: 0,
    watts: 0,
  }));
}

function checkModel(
  options: BenchPlanOptions,
  { folder, model, steps }: Measured,
  calibration: Calibration,
): readonly PlanCheck[] {
  return [...steps].map(([nodes, rounds]) => {
    const input = { ...inputOf(options, model), ...calibration, nodes: nodesOf(calibration.rates, model, nodes) };
    const predicted = planCluster(input).step.tokensPerSecond;
    const measured = spreadOf(rounds.map(({ step }) => options.streams / step));
    return {
      model: folder,
      nodes,
      calibrates: folder === options.model,
      predicted_tokens_per_second: predicted,
      measured_tokens_per_second: measured.median,
      error: predicted / measured.median - 1,
      spread: { measured_tokens_per_second: measured },
    };
  });
}

/** Input of `conclave plan`: this machine with two nodes, for the user to edit. */
function writePlanFile(options: BenchPlanOptions, path: string, { rates, link, software }: Calibration): void {
  const file: PlanFileInput = {
    model: options.model,
    nodes: [
      {
        machine: {
          memoryGigabytes: totalmem() / 1e9,
          gigabytesPerSecond: rates.bytesPerSecond / 1e9,
          hostGigabytesPerSecond: rates.hostBytesPerSecond / 1e9,
          teraflops: FLOPS / 1e12,
        },
        count: 2,
        host: 'this',
      },
    ],
    topology: options.topology,
    link: {
      latencyMicroseconds: link.latencySeconds * 1e6,
      perNodeMicroseconds: link.perNodeSeconds * 1e6,
      gigabytesPerSecond: link.bytesPerSecond / 1e9,
      stepMicroseconds: link.stepSeconds * 1e6,
    },
    software: { layerMicroseconds: software.layerSeconds * 1e6 },
  };
  writeFileSync(path, stringify(file));
}

function describe(result: PlanResult): readonly TableRow[] {
  const micro = (value: number): string => `${value.toFixed(0)} us`;
  return [
    ['read by one node, GB/s', (result.node_bytes_per_second / 1e9).toFixed(1)],
    ['read by all cores, GB/s', (result.host_bytes_per_second / 1e9).toFixed(1)],
    ['software of a layer', micro(result.layer_microseconds)],
    ['exchange of two nodes', micro(result.exchange_microseconds)],
    ['each further node', micro(result.further_node_microseconds)],
    ['a step of several nodes', micro(result.step_microseconds)],
    ['', ''],
    ['model', 'nodes', 'predicted tok/s', 'measured', 'error'],
    ...result.checks.map(
      ({ model, nodes, calibrates, predicted_tokens_per_second, error, spread }): TableRow => [
        `${model}${calibrates ? ' (calibrates)' : ''}`,
        String(nodes),
        predicted_tokens_per_second.toFixed(1),
        spreadText(spread.measured_tokens_per_second, 1),
        `${(error * 100).toFixed(1)} %`,
      ],
    ),
  ];
}
