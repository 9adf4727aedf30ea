// /admin/api/nodes and /groups: nodes, their holdings, the router's choices and the history of plans. Read-only.
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { GroupPlan } from '../../infra/messages/group-plan.ts';
import type { NodeReport } from '../../infra/registry/node-heartbeats.ts';
import type { RoutingRecord } from '../../infra/registry/routing-counts.ts';
import { readingRoute } from '../admin/admin-route.ts';
import { pageFields } from '../admin/read-page.ts';
import type { GatewayEnv } from '../environment.ts';
import { listOf } from '../openapi/answers.ts';
import { addRoute } from '../openapi/declare-route.ts';
import type { GatewayParts } from '../parts.ts';
import { parseQuery } from '../request/parse-query.ts';
import { expertsSchema, groupSchema, nodeSchema, planSchema } from './admin-answers.ts';

type App = OpenAPIHono<GatewayEnv>;

const plansQuerySchema = z.strictObject({ limit: pageFields.limit });

const LIST_NODES = readingRoute('/nodes', {
  operationId: 'listNodes',
  summary: 'Living nodes.',
  answer: listOf(nodeSchema),
});

const LIST_GROUPS = readingRoute('/groups', {
  operationId: 'listGroups',
  summary: 'Groups of nodes: leader, current plan, reasons for waiting.',
  answer: listOf(groupSchema),
});

const LIST_PLANS = readingRoute('/groups/{group}/plans', {
  operationId: 'listPlans',
  summary: 'Plans of a group by epoch, newest first.',
  query: plansQuerySchema,
  answer: listOf(planSchema),
});

const GET_EXPERTS = readingRoute('/groups/{group}/experts', {
  operationId: 'getExperts',
  summary: 'Which nodes hold and compute each expert, and the load of each by layer.',
  answer: expertsSchema,
  errors: ['not_found'],
});

/** Adds the routes; the caller has authenticated and holds admin:read. */
export function addGroupAdminRoutes(app: App, { operations }: GatewayParts): void {
  addRoute(app, LIST_NODES, async (c) => c.json({ object: 'list', data: (await operations.nodes()).map(viewNode) }));
  addRoute(app, LIST_GROUPS, async (c) => {
    const nodes = await operations.nodes();
    const groups = [...new Set(nodes.map(({ group }) => group))].sort();
    const views = groups.map(async (group) => viewGroup(group, nodes, await currentPlan(operations, group)));
    return c.json({ object: 'list', data: await Promise.all(views) });
  });
  addRoute(app, LIST_PLANS, async (c) => {
    const { limit } = parseQuery(plansQuerySchema, c);
    const plans = await operations.plans(c.req.param('group') ?? '', limit);
    return c.json({ object: 'list', data: plans.map(viewPlan) });
  });
  addRoute(app, GET_EXPERTS, async (c) => {
    const group = c.req.param('group') ?? '';
    const members = (await operations.nodes()).filter((node) => node.group === group);
    const model = members[0]?.model;
    if (model === undefined) throw new DomainError('not_found', 'No group has this name.', { param: 'group' });
    const [plan, routing] = await Promise.all([currentPlan(operations, group), operations.routing(model)]);
    return c.json(viewExperts(group, model, members, plan, routing));
  });
}

async function currentPlan(operations: GatewayParts['operations'], group: string): Promise<GroupPlan | null> {
  return (await operations.plans(group, 1))[0] ?? null;
}

function viewNode({ holdings, ...node }: NodeReport) {
  return { ...node, holdings: shown(holdings) };
}

function viewPlan({ members, ...plan }: GroupPlan) {
  return {
    ...plan,
    members: members.map(shown),
  };
}

/** Addresses of an exchange carry its password, and lists of experts are long. */
function shown<T extends { readonly exchangeUrl: string | null; readonly experts: readonly number[] }>({
  exchangeUrl,
  experts,
  ...rest
}: T) {
  return { ...rest, experts: experts.length, ownExchange: exchangeUrl !== null };
}

function viewGroup(group: string, nodes: readonly NodeReport[], plan: GroupPlan | null) {
  const members = nodes.filter((node) => node.group === group);
  const leader = members.find((node) => node.role === 'leader');
  return {
    group,
    model: members[0]?.model,
    leader: leader?.id ?? null,
    nodes: members.map((node) => node.id),
    waitsFor: leader?.waitsFor ?? '',
    epoch: plan?.epoch ?? null,
    topology: plan?.topology ?? null,
    members: plan?.members.map(({ id }) => id) ?? [],
  };
}

/** `load`: the share of each expert in recent rows, by layer; 1 is an even share. Suitable for a heat map. */
function viewExperts(
  group: string,
  model: string,
  nodes: readonly NodeReport[],
  plan: GroupPlan | null,
  routing: RoutingRecord | null,
) {
  const heldBy = namesByExpert(nodes.map(({ id, holdings }) => ({ id, experts: holdings.experts })));
  const computedBy = namesByExpert(plan?.members ?? []);
  const perLayer = nodes[0]?.holdings.expertsPerLayer ?? 1;
  const experts = [...heldBy.keys()]
    .sort((a, b) => a - b)
    .map((id) => ({
      layer: Math.floor(id / perLayer),
      expert: id % perLayer,
      heldBy: heldBy.get(id) ?? [],
      computedBy: computedBy.get(id) ?? [],
    }));
  return { group, model, experts, load: routing === null ? null : loadByLayer(routing) };
}

/** Which nodes have each expert of a layer. */
function namesByExpert(
  nodes: readonly { readonly id: string; readonly experts: readonly number[] }[],
): ReadonlyMap<number, readonly string[]> {
  const names = new Map<number, string[]>();
  for (const { id, experts } of nodes) {
    for (const expert of experts) {
      const known = names.get(expert);
      if (known === undefined) names.set(expert, [id]);
      else known.push(id);
    }
  }
  return names;
}

function loadByLayer({ layers, experts, counts }: RoutingRecord): readonly (readonly number[])[] {
  return Array.from({ length: layers }, (_, layer) => {
    const row = counts.slice(layer * experts, (layer + 1) * experts);
    const even = row.reduce((sum, count) => sum + count, 0) / experts;
    return row.map((count) => (even === 0 ? 0 : Math.round((count / even) * 1000) / 1000));
  });
}
