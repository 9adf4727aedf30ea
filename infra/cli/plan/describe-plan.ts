// Formats a plan for people: memory and placement, the step and where its time goes, the cost. Pure.
import type { CostReport } from '../../../workers/plan/cost.ts';
import type { ClusterInput, ClusterPlan } from '../../../workers/plan/plan-cluster.ts';
import type { StepSeconds } from '../../../workers/plan/step-input.ts';
import { formatBytes } from '../format-bytes.ts';
import { formatTable } from '../format-table.ts';

const CAUSES: readonly (readonly [cause: keyof StepSeconds, label: string])[] = [
  ['load', 'reading weights and KV'],
  ['compute', 'arithmetic in addition'],
  ['latency', 'waiting for the link'],
  ['transfer', 'bytes on the link'],
  ['software', 'software'],
];

const UPPER_BOUND_NOTE =
  '  An upper bound, since it excludes software overhead: the paper reached 0.6 of it. Set `software` in a file to include it.\n';

export interface PlannedSize {
  readonly input: ClusterInput;
  readonly plan: ClusterPlan;
  readonly cost: CostReport | null;
}

/** A plan, or the reason why the model cannot be placed. */
export type SizeOutcome = PlannedSize | { readonly input: ClusterInput; readonly refusal: string };

export function describePlan({ input, plan, cost }: PlannedSize): string {
  return [describePlacement(plan), describeStep(input, plan), ...(cost === null ? [] : [describeCost(cost)])].join(
    '\n',
  );
}

/** One line for each number of nodes, when several are compared. */
export function describeSizes(outcomes: readonly SizeOutcome[]): string {
  const head = ['nodes', 'topology', 'survives a loss', 'busiest', 'tok/s', 'communication', 'per Mtok', 'ratio'];
  return formatTable(head, outcomes.map(sizeCells));
}

function sizeCells(outcome: SizeOutcome): readonly string[] {
  const nodes = String(outcome.input.nodes.length);
  if ('refusal' in outcome) return [nodes, outcome.refusal];
  const { plan, cost } = outcome;
  return [
    nodes,
    topologyText(plan),
    plan.survivesAnyLoss ? 'yes' : 'no',
    plan.step.busiestExperts.toFixed(3),
    plan.step.tokensPerSecond.toFixed(1),
    percent(plan.step.communicationShare),
    cost === null ? '-' : `$${cost.dollarsPerMillionTokens.toFixed(2)}`,
    cost === null || cost.ratioToAlternative === null ? '-' : cost.ratioToAlternative.toFixed(2),
  ];
}

/** One node exchanges nothing. */
function topologyText({ members, topology }: ClusterPlan): string {
  return members.length === 1 ? 'alone' : topology;
}

function describePlacement(plan: ClusterPlan): string {
  const { members, policy, survivesAnyLoss } = plan;
  const rows = members.map(({ name, host, experts, shared, usedBytes, memoryBytes }) => [
    name,
    host === name ? '' : host,
    `${formatBytes(usedBytes)} of ${formatBytes(memoryBytes)}`,
    `${shared ? 'attention and ' : ''}${describeExperts(experts)}`,
  ]);
  const losses = survivesAnyLoss
    ? 'The group survives the loss of any one node: every expert of every layer has a second holder.'
    : 'Some experts have a single holder: if it is lost, streams wait until another node has loaded them.';
  return `${topologyText(plan)}, experts placed by ${policy}\n\n${formatTable(['node', 'host', 'memory', 'holds'], rows)}\n${losses}\n`;
}

function describeStep({ streams, context, link, software }: ClusterInput, { step }: ClusterPlan): string {
  const rows = CAUSES.map(([cause, label]) => [
    `  ${label}`,
    `${(step.seconds[cause] * 1e3).toFixed(2)} ms`,
    percent(step.seconds[cause] / step.totalSeconds),
  ]);
  const total = [
    `${step.tokensPerSecond.toFixed(1)} tokens per second`,
    `${(step.totalSeconds * 1e3).toFixed(2)} ms`,
    '',
  ];
  const who = streams === 1 ? 'one stream' : `${streams} streams together`;
  return (
    formatTable([`${who}, ${context} tokens of context, ${link.name}`, 'a step', ''], [total, ...rows]) +
    `  communication ${percent(step.communicationShare)}; the busiest node computes ${step.busiestExperts.toFixed(3)} experts a layer, ${step.busiestShare.toFixed(3)} of an even share\n` +
    (software.layerSeconds + software.stepSeconds > 0 ? '' : UPPER_BOUND_NOTE)
  );
}

function describeCost(cost: CostReport): string {
  const ratio = cost.ratioToAlternative;
  return formatTable(
    ['cost', ''],
    [
      ['machines', `$${cost.dollars.toLocaleString('en-US')}`],
      ['tokens per second and dollar', cost.tokensPerSecondPerDollar.toExponential(2)],
      ['a million tokens, with electricity', `$${cost.dollarsPerMillionTokens.toFixed(2)}`],
      ...(ratio === null ? [] : [['tokens per dollar, over the alternative', ratio.toFixed(2)]]),
    ],
  );
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

/** Which, where they are the same in all layers; else how many. experts: [layers][...experts]. */
function describeExperts(experts: readonly (readonly number[])[]): string {
  const counts = experts.map(({ length }) => length);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  const [first = []] = experts;
  if (new Set(experts.map((own) => own.join())).size <= 1) return `${first.length} experts: ${listRanges(first)}`;
  const total = counts.reduce((sum, count) => sum + count, 0);
  return `${least === most ? '' : `${least} to `}${most} experts of each layer, ${total} in all`;
}

/** [0, 1, 2, 5] is "0-2, 5". */
function listRanges(numbers: readonly number[]): string {
  const ranges: { from: number; to: number }[] = [];
  for (const number of numbers) {
    const last = ranges.at(-1);
    if (last !== undefined && last.to === number - 1) last.to = number;
    else ranges.push({ from: number, to: number });
  }
  return ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(', ');
}
