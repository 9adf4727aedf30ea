// What tokens cost, and how that compares. Pure.
import type { PlannedNode } from './machine.ts';
import type { Alternative } from './presets.ts';

export interface CostAssumptions {
  /** Years over which the machines are paid. */
  readonly years: number;
  /** Part of that time in which they decode. */
  readonly utilization: number;
  readonly dollarsPerKilowattHour: number;
}

export interface CostReport {
  readonly dollars: number;
  readonly tokensPerSecondPerDollar: number;
  /** Machines and electricity. */
  readonly dollarsPerMillionTokens: number;
  /** This cluster's tokens per second and dollar over the alternative's; null without one. */
  readonly ratioToAlternative: number | null;
}

const SECONDS_PER_YEAR = 365.25 * 86_400;
const JOULES_PER_KILOWATT_HOUR = 3.6e6;

/** Nodes of one host are one machine: it is paid once. Null when the price of one is not known. */
export function costOf(
  nodes: readonly PlannedNode[],
  tokensPerSecond: number,
  assumptions: CostAssumptions,
  alternative: Alternative | null,
): CostReport | null {
  const machines = [...new Map(nodes.map((node) => [node.host, node])).values()];
  if (machines.some(({ dollars }) => dollars === 0)) return null;
  const dollars = machines.reduce((sum, machine) => sum + machine.dollars, 0);
  const watts = machines.reduce((sum, machine) => sum + machine.watts, 0);
  const { years, utilization, dollarsPerKilowattHour } = assumptions;
  const dollarsPerSecond =
    dollars / (years * SECONDS_PER_YEAR * utilization) + (watts * dollarsPerKilowattHour) / JOULES_PER_KILOWATT_HOUR;
  const perDollar = tokensPerSecond / dollars;
  return {
    dollars,
    tokensPerSecondPerDollar: perDollar,
    dollarsPerMillionTokens: (dollarsPerSecond / tokensPerSecond) * 1e6,
    ratioToAlternative: alternative === null ? null : perDollar / (alternative.tokensPerSecond / alternative.dollars),
  };
}
