// `conclave plan`: file and flags -> plans on stdout.
import { kvBytesPerToken } from '../../../workers/cluster/memory-slots.ts';
import { inspectModel } from '../../../workers/model/inspect-model.ts';
import { costOf } from '../../../workers/plan/cost.ts';
import { paperTable } from '../../../workers/plan/paper-results.ts';
import { planCluster } from '../../../workers/plan/plan-cluster.ts';
import { PUBLISHED_NAMES } from '../../../workers/plan/published-models.ts';
import { readConfig } from '../../config/read-config.ts';
import { checkValues, readYaml } from '../../config/read-yaml.ts';
import { DomainError } from '../../errors/domain-error.ts';
import { connectRedis } from '../../redis/connect.ts';
import { describeModels, type ModelNeeds } from '../plan/describe-models.ts';
import { describePaper } from '../plan/describe-paper.ts';
import { describePlan, describeSizes, type SizeOutcome } from '../plan/describe-plan.ts';
import { type LiveCluster, readLiveCluster } from '../plan/live-cluster.ts';
import { type PlanFile, type PlanFileInput, planSchema } from '../plan/plan-schema.ts';
import { resolvePlan } from '../plan/resolve-plan.ts';

const DEFAULT_MACHINE = 'm4-max-128';
const DEFAULT_CONTEXT = 32_768;

export interface PlanOptions {
  readonly model?: string;
  readonly machine?: string;
  readonly nodes?: readonly number[];
  readonly link?: string;
  readonly topology?: PlanFile['topology'];
  readonly policy?: PlanFile['policy'];
  readonly streams?: number;
  readonly context?: number;
  readonly skew?: number;
  readonly alternative?: string;
  readonly live?: true;
  readonly group?: string;
  readonly paper?: true;
  readonly models?: true;
  readonly json?: true;
}

export async function planCommand(file: string | undefined, options: PlanOptions): Promise<void> {
  if (options.paper === true) return writePaper(options);
  if (options.models === true) return writeModels(options);
  const requests = readRequests(file, options);
  const live = options.live === true ? await readLive(options) : null;
  const outcomes: SizeOutcome[] = [];
  for (const request of requests) outcomes.push(await planSize(request, live, requests.length > 1));
  const [only] = outcomes;
  if (outcomes.length > 1 || only === undefined || 'refusal' in only) {
    return write(options, { plans: outcomes.map(jsonOf) }, describeSizes(outcomes));
  }
  write(options, { plans: outcomes.map(jsonOf) }, describePlan(only));
}

/** Of several sizes, one that does not fit is a line of the comparison; alone it is a failure. */
async function planSize(request: PlanFile, live: LiveCluster | null, compared: boolean): Promise<SizeOutcome> {
  const { cluster, cost, alternative } = await resolvePlan(request, live);
  try {
    const plan = planCluster(cluster);
    return { input: cluster, plan, cost: costOf(cluster.nodes, plan.step.tokensPerSecond, cost, alternative) };
  } catch (failure) {
    if (!compared || !(failure instanceof DomainError)) throw failure;
    return { input: cluster, refusal: failure.message };
  }
}

function jsonOf(outcome: SizeOutcome): object {
  const nodes = outcome.input.nodes.length;
  return 'refusal' in outcome ? { nodes, refusal: outcome.refusal } : { nodes, ...outcome.plan, cost: outcome.cost };
}

async function readLive({ group }: PlanOptions): Promise<LiveCluster> {
  const { redisUrl, worker } = readConfig();
  if (redisUrl === undefined) throw missing('REDIS_URL, or `redisUrl` in conclave.yaml, with --live');
  const redis = connectRedis({ url: redisUrl, role: 'durable', name: 'plan', retry: 'bounded' });
  return readLiveCluster(redis, group ?? worker.group).finally(() => redis.disconnect());
}

function writePaper(options: PlanOptions): void {
  const rows = paperTable();
  write(options, { rows }, describePaper(rows));
}

async function writeModels(options: PlanOptions): Promise<void> {
  const { machine = DEFAULT_MACHINE, context = DEFAULT_CONTEXT } = options;
  const models = [];
  for (const name of PUBLISHED_NAMES) models.push(await needsOf(name, machine, context));
  write(options, { machine, context, models }, describeModels(models, machine, context));
}

/** Every node of a decentralized group holds what is shared and a cache, and its part of the experts. */
async function needsOf(name: string, machine: string, context: number): Promise<ModelNeeds> {
  const values = { model: name, nodes: [{ machine }], link: 'thunderbolt', context };
  const { cluster } = await resolvePlan(
    checkValues(planSchema, values, () => '--models'),
    null,
  );
  const { total, shared } = inspectModel(cluster.model, 1).bytes;
  const cache = context * kvBytesPerToken(cluster.model);
  const forExperts = (cluster.nodes[0]?.memoryBytes ?? 0) - shared - cache;
  const nodes = forExperts > 0 ? Math.ceil((total - shared) / forExperts) : null;
  return { name, bytes: total, memory: total + cache, nodes };
}

function write(options: PlanOptions, result: object, text: string): void {
  process.stdout.write(options.json === true ? `${JSON.stringify(result)}\n` : text);
}

/** Merges the file and the flags, which take precedence: one request for each number of nodes. */
function readRequests(path: string | undefined, options: PlanOptions): readonly PlanFile[] {
  const file = path === undefined ? undefined : readYaml(path);
  const {
    machine,
    nodes: counts,
    live,
    group: _group,
    paper: _paper,
    models: _models,
    json: _json,
    ...settings
  } = options;
  if (counts !== undefined && machine === undefined) throw missing('--machine with --nodes');
  const machines = machine === undefined ? [] : (counts ?? [1]).map((count) => ({ nodes: [{ machine, count }] }));
  const sizes: readonly Partial<PlanFileInput>[] = machines.length === 0 ? [{}] : machines;
  return sizes.map((nodes) => {
    const values = { ...file?.values, ...settings, ...nodes };
    if (!('model' in values)) throw missing('--model, or `model` in a file');
    if (!('nodes' in values) && live !== true) throw missing('--machine, --live, or `nodes` in a file');
    return checkValues(planSchema, values, file?.locate ?? ((issue) => `--${String(issue.path[0] ?? '')}`));
  });
}

function missing(what: string): DomainError {
  return new DomainError('bad_config', `Expected ${what}; \`conclave plan --help\` has examples.`);
}
