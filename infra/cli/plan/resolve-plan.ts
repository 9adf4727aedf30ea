// A checked plan file -> what the planner computes with: presets become numbers, units SI. Throws DomainError `bad_config`
// naming an unknown preset.
import { existsSync } from 'node:fs';
import { describeCheckpoint } from '../../../workers/model/describe-checkpoint.ts';
import { familyOf } from '../../../workers/model/families/model-families.ts';
import { exampleModel } from '../../../workers/model/size-config.ts';
import type { StoredModel } from '../../../workers/model/stored-model.ts';
import { MAC_CHIPS } from '../../../workers/plan/mac-chips.ts';
import type { Link, PlannedNode } from '../../../workers/plan/machine.ts';
import type { ClusterInput } from '../../../workers/plan/plan-cluster.ts';
import { ALTERNATIVES, type Alternative, LINKS, MACHINES } from '../../../workers/plan/presets.ts';
import { publishedModel } from '../../../workers/plan/published-models.ts';
import { skewedCounts } from '../../../workers/plan/skewed-counts.ts';
import { DomainError } from '../../errors/domain-error.ts';
import type { LiveCluster } from './live-cluster.ts';
import type { NodeEntry, PlanFile } from './plan-schema.ts';

export interface ResolvedPlan {
  readonly cluster: ClusterInput;
  readonly cost: PlanFile['cost'];
  readonly alternative: Alternative | null;
}

/** `live`: the running cluster, whose nodes are meant where the file has none. */
export async function resolvePlan(file: PlanFile, live: LiveCluster | null): Promise<ResolvedPlan> {
  const { software, topology, alternative } = file;
  const model = await describeModel(file.model);
  const cluster = {
    model,
    nodes: file.nodes?.flatMap(resolveNodes) ?? live?.nodes ?? [],
    link: resolveLink(file.link),
    software: {
      layerSeconds: software.layerMicroseconds * 1e-6,
      stepSeconds: software.stepMicroseconds * 1e-6,
      computeHidden: true,
    },
    topology: topology === 'auto' ? null : topology,
    policy: file.policy,
    streams: file.streams,
    context: file.context,
    counts: live?.counts ?? (file.skew === 0 ? null : skewedCounts(model, file.skew)),
  };
  return { cluster, cost: file.cost, alternative: alternative === undefined ? null : resolveAlternative(alternative) };
}

/** A folder's model, a published checkpoint, or the published model of a family in bf16. */
async function describeModel(name: string): Promise<StoredModel> {
  if (existsSync(name)) return (await describeCheckpoint(name)).description;
  const published = publishedModel(name);
  if (published !== null) return published;
  if (/[/\\.]/.test(name))
    throw new DomainError(
      'bad_config',
      `The folder ${name} does not exist. Name the folder of a checkpoint, a published one (\`conclave plan --models\` lists them), or dbrx.`,
      { param: 'model' },
    );
  return exampleModel(familyOf({ path: 'model', modelType: name }));
}

function resolveNodes(entry: NodeEntry, index: number): readonly PlannedNode[] {
  const machine = resolveMachine(entry.machine);
  return Array.from({ length: entry.count }, (_, copy) => {
    const name = `${typeof entry.machine === 'string' ? entry.machine : 'node'}-${index + 1}.${copy + 1}`;
    return { ...machine, name, host: entry.host ?? name };
  });
}

function resolveMachine(machine: NodeEntry['machine']): Omit<PlannedNode, 'name' | 'host'> {
  if (typeof machine === 'string') return machinePreset(machine);
  const { memoryGigabytes, gigabytesPerSecond, teraflops, dollars, watts } = machine;
  return {
    memoryBytes: memoryGigabytes * 1e9,
    maxExperts: null,
    bytesPerSecond: gigabytesPerSecond * 1e9,
    hostBytesPerSecond: (machine.hostGigabytesPerSecond ?? gigabytesPerSecond) * 1e9,
    flops: teraflops * 1e12,
    hostFlops: teraflops * 1e12,
    dollars,
    watts,
  };
}

/** Each may be followed by its memory: m2-ultra-192. */
const CHIPS = MAC_CHIPS.map(({ name }) => name);

function machinePreset(name: string): Omit<PlannedNode, 'name' | 'host'> {
  const { memoryBytes, bytesPerSecond, flops, dollars, watts } = named(MACHINES, name, 'machine', CHIPS);
  return {
    memoryBytes,
    maxExperts: null,
    bytesPerSecond,
    hostBytesPerSecond: bytesPerSecond,
    flops,
    hostFlops: flops,
    dollars,
    watts,
  };
}

function resolveLink(link: PlanFile['link']): Link {
  if (typeof link === 'string') return named(LINKS, link, 'link');
  return {
    name: 'as given',
    latencySeconds: link.latencyMicroseconds * 1e-6,
    perNodeSeconds: link.perNodeMicroseconds * 1e-6,
    stepSeconds: link.stepMicroseconds * 1e-6,
    bytesPerSecond: link.gigabytesPerSecond * 1e9,
  };
}

function resolveAlternative(alternative: NonNullable<PlanFile['alternative']>): Alternative {
  return typeof alternative === 'string' ? named(ALTERNATIVES, alternative, 'alternative') : alternative;
}

/** `names`: those of the presets that an error lists. */
function named<T>(
  presets: Readonly<Record<string, T>>,
  name: string,
  what: string,
  names: readonly string[] = Object.keys(presets),
): T {
  const preset = Object.hasOwn(presets, name) ? presets[name] : undefined;
  if (preset !== undefined) return preset;
  throw new DomainError('bad_config', `Unknown ${what} "${name}": expected one of ${names.join(', ')}.`, {
    param: what,
  });
}
