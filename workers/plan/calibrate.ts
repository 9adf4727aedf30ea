// Steps measured on one machine -> what the planner needs to know of it: software and link, so that the formulas give back
// what was measured. In: read rates and the times of one model on one, two and more nodes. Out: rates, link, software.
// Pure. What several nodes take around the layers of a step is measured. Everything else that reading does not explain goes into
// three numbers, in this order: with one node the software of a layer, with two the latency of an exchange, with more what
// each further node adds to it.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { Link, PlannedNode, SoftwareCost } from './machine.ts';
import { type ClusterInput, planCluster } from './plan-cluster.ts';

export interface MeasuredStep {
  readonly nodes: number;
  readonly secondsPerStep: number;
  /** Of these what no layer, no wait for frames and no lm_head took. */
  readonly aroundSeconds: number;
}

/** Bytes per second that one node reads, and all nodes of a machine together. */
export type ReadRates = Pick<PlannedNode, 'bytesPerSecond' | 'hostBytesPerSecond'>;

export interface CalibrationInput extends Omit<ClusterInput, 'nodes' | 'link' | 'software'> {
  /** As probed. */
  readonly rates: ReadRates;
  /** The nodes of a measurement with that many nodes, all on one host. */
  readonly nodesOf: (count: number, rates: ReadRates) => readonly PlannedNode[];
  /** One and two nodes at least. */
  readonly steps: readonly MeasuredStep[];
  /** What the link carries, measured otherwise: small frames hardly show it. */
  readonly linkBytesPerSecond: number;
}

export interface Calibration {
  /** Those of the probe, or what the steps of one node show when that is more. */
  readonly rates: ReadRates;
  readonly link: Link;
  readonly software: SoftwareCost;
}

const NO_LINK: Link = {
  name: 'none',
  latencySeconds: 0,
  perNodeSeconds: 0,
  bytesPerSecond: Number.POSITIVE_INFINITY,
  stepSeconds: 0,
};
const NOTHING: SoftwareCost = { layerSeconds: 0, stepSeconds: 0, computeHidden: true };

/** Throws DomainError `bad_config` without a measurement of one and of two nodes. */
export function calibrate(input: CalibrationInput): Calibration {
  const measured = (nodes: number): MeasuredStep => {
    const step = input.steps.find((one) => one.nodes === nodes);
    if (step !== undefined) return step;
    throw new DomainError('bad_config', `Calibrating needs a measurement of ${nodes} nodes.`, { param: 'nodes' });
  };
  const rates = atLeast(input, measured(1).secondsPerStep);
  const bytesPerSecond = input.linkBytesPerSecond;
  const link = { ...NO_LINK, name: 'measured', bytesPerSecond, stepSeconds: measured(2).aroundSeconds };
  const rest = (nodes: number, software: SoftwareCost): number =>
    Math.max(0, measured(nodes).secondsPerStep - predicted(input, rates, nodes, link, software));
  const software = { ...NOTHING, layerSeconds: rest(1, NOTHING) / input.model.blockOfLayer.length };
  const exchange = (nodes: number): number => {
    const second = { ...link, latencySeconds: 1 };
    const exchanges = predicted(input, rates, nodes, second, software) - predicted(input, rates, nodes, link, software);
    return rest(nodes, software) / exchanges;
  };
  const latencySeconds = exchange(2);
  const further = input.steps.filter(({ nodes }) => nodes > 2);
  const added = further.map(({ nodes }) => (exchange(nodes) - latencySeconds) / (nodes - 2));
  const perNodeSeconds = Math.max(0, added.reduce((sum, seconds) => sum + seconds, 0) / Math.max(1, added.length));
  return { rates, link: { ...link, latencySeconds, perNodeSeconds }, software };
}

/** A probe that something else disturbed reads slower than the steps did, which is no software below nothing. */
function atLeast(input: CalibrationInput, measured: number): ReadRates {
  const { bytesPerSecond, hostBytesPerSecond } = input.rates;
  const quicker = Math.max(1, predicted(input, input.rates, 1, NO_LINK, NOTHING) / measured);
  return { bytesPerSecond: bytesPerSecond * quicker, hostBytesPerSecond: hostBytesPerSecond * quicker };
}

function predicted(
  input: CalibrationInput,
  rates: ReadRates,
  count: number,
  link: Link,
  software: SoftwareCost,
): number {
  return planCluster({ ...input, nodes: input.nodesOf(count, rates), link, software }).step.totalSeconds;
}
