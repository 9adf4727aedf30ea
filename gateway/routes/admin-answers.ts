// What the admin API answers, as zod schemas. `satisfies` holds them against what the system really has: a field that is missing
// here does not compile. Times are Unix ms.
import { z } from '@hono/zod-openapi';
import type { GroupPlan } from '../../infra/messages/group-plan.ts';
import type { GenerationRecord } from '../../infra/queue/generation-record.ts';
import type { QueueView } from '../../infra/queue/inspect-queues.ts';
import type { NodeReport } from '../../infra/registry/node-heartbeats.ts';
import type { LoggedAuditEntry } from '../../infra/tenants/audit-log.ts';
import type { ApiKeyRecord } from '../../infra/tenants/key-store.ts';
import { SCOPES } from '../../infra/tenants/scope.ts';
import type { TenantRecord } from '../../infra/tenants/tenant-store.ts';

const count = z.int().min(0);
const timeMs = z.int().min(0);
const heldExperts = count.describe('How many experts of layers; /admin/groups/{group}/experts says which.');

export const queueSchema = z
  .object({
    queue: z.string(),
    model: z.string(),
    tenant: z.string(),
    waiting: count,
    running: count,
    paused: z.boolean(),
    draining: z.boolean().describe('New requests are refused.'),
    oldestWaitMs: z.number().min(0).nullable(),
    virtualTokens: z.number().describe('Charged tokens divided by weight, the criterion of fair dispatch.'),
    weight: z.number(),
    dispatchGapMs: z.number().nullable().describe('Mean time between two dispatches under load.'),
    finished: count,
    failed: count,
    cancelled: count,
    tokensServed: count,
  })
  .openapi('Queue') satisfies z.ZodType<QueueView>;

export const jobSchema = z
  .object({
    id: z.string(),
    model: z.string(),
    tenant: z.string(),
    queue: z.string(),
    state: z.enum(['waiting', 'running', 'ended']),
    outcome: z.enum(['finished', 'failed', 'cancelled']).nullable(),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    reservedTokens: count,
    promptTokens: count,
    completionTokens: count,
    group: z.string().nullable(),
    attempts: count,
    resumeSeconds: count,
    enqueuedAtMs: timeMs,
    startedAtMs: timeMs.nullable(),
    firstTokenAtMs: timeMs.nullable(),
    endedAtMs: timeMs.nullable(),
  })
  .openapi('Job') satisfies z.ZodType<GenerationRecord>;

export const cancelledJobSchema = z.object({ id: z.string(), cancelled: z.boolean() }).openapi('CancelledJob');
export const retriedJobSchema = z.object({ id: z.string(), retriedAs: z.string() }).openapi('RetriedJob');

const holdingsSchema = z.object({
  modelHash: z.string(),
  dtype: z.string(),
  layoutVersion: count,
  protocol: count,
  numericsClass: z.string(),
  memoryBytes: z.number().min(0),
  maxExperts: count.nullable(),
  bytesPerSecond: z.number().min(0),
  kvTokens: z.number().min(0),
  expertsPerLayer: count,
  experts: heldExperts,
  shared: z.boolean(),
  packsUrl: z.string().nullable(),
  canary: z.string().nullable(),
  ownExchange: z.boolean(),
});

/** Addresses of exchanges carry passwords, and lists of experts are long. */
type Shown = { readonly experts: number; readonly ownExchange: boolean };

type ShownReport = Omit<NodeReport, 'holdings'> & {
  readonly holdings: Omit<NodeReport['holdings'], 'exchangeUrl' | 'experts'> & Shown;
};

export const nodeSchema = z
  .object({
    id: z.string(),
    incarnation: z.string(),
    group: z.string(),
    model: z.string(),
    role: z.enum(['leader', 'member']),
    leaving: z.boolean(),
    waitsFor: z.string().describe('What the node waits for or refuses; empty if nothing.'),
    host: z.string(),
    pid: count,
    version: z.string(),
    beats: count,
    backend: z.string(),
    startedAtMs: timeMs,
    holdings: holdingsSchema,
    stats: z.record(z.string(), z.number()),
  })
  .openapi('Node') satisfies z.ZodType<ShownReport>;

export const groupSchema = z
  .object({
    group: z.string(),
    model: z.string(),
    leader: z.string().nullable(),
    nodes: z.array(z.string()),
    waitsFor: z.string(),
    epoch: count.nullable(),
    topology: z.enum(['centralized', 'decentralized']).nullable(),
    members: z.array(z.string()).describe('Ids of the members of the current plan.'),
  })
  .openapi('Group');

type ShownPlan = Omit<GroupPlan, 'members'> & {
  readonly members: readonly (Omit<GroupPlan['members'][number], 'exchangeUrl' | 'experts'> & Shown)[];
};

export const planSchema = z
  .object({
    group: z.string(),
    epoch: count,
    leader: z.string(),
    topology: z.enum(['centralized', 'decentralized']),
    members: z.array(
      z.object({
        id: z.string(),
        incarnation: z.string(),
        experts: heldExperts,
        shared: z.boolean(),
        speed: z.number(),
        ownExchange: z.boolean(),
      }),
    ),
    numericsClass: z.string(),
    modelHash: z.string(),
    reason: z.string().describe('Why it replaced the previous plan.'),
    createdAtMs: timeMs,
  })
  .openapi('Plan') satisfies z.ZodType<ShownPlan>;

export const expertsSchema = z
  .object({
    group: z.string(),
    model: z.string(),
    experts: z.array(
      z.object({
        layer: count.describe('Counted among the layers that have experts.'),
        expert: count,
        heldBy: z.array(z.string()),
        computedBy: z.array(z.string()),
      }),
    ),
    load: z
      .array(z.array(z.number().min(0)))
      .nullable()
      .describe('By layer that has experts, and expert; 1 is an even share.'),
  })
  .openapi('Experts');

export const tenantSchema = z
  .object({
    id: z.string(),
    createdAtMs: timeMs,
    policy: z.object({
      weight: z.number(),
      maxWaiting: count,
      requestsPerMinute: count.describe('0 sets no limit.'),
      models: z.array(z.string()).nullable().describe('null allows every model.'),
      blocked: z.boolean(),
    }),
  })
  .openapi('Tenant') satisfies z.ZodType<TenantRecord>;

const keyFields = {
  prefix: z.string(),
  tenant: z.string(),
  name: z.string(),
  scopes: z.array(z.enum(SCOPES)),
  createdAtMs: timeMs,
  expiresAtMs: timeMs.nullable(),
  revokedAtMs: timeMs.nullable(),
};

export const keySchema = z.object(keyFields).openapi('Key') satisfies z.ZodType<ApiKeyRecord>;

export const madeKeySchema = z.object({ ...keyFields, text: z.string().describe('Shown once.') }).openapi('MadeKey');

export const auditEntrySchema = z
  .object({
    id: z.string(),
    atMs: timeMs,
    who: z.string(),
    tenant: z.string(),
    action: z.string(),
    target: z.string(),
    outcome: z.enum(['allowed', 'failed']),
  })
  .openapi('AuditEntry') satisfies z.ZodType<LoggedAuditEntry>;
