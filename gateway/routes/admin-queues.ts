// /admin/api/queues and /jobs: views of the running system for operators, and changes to it. Never shows prompts.
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { changingRoute, readingRoute } from '../admin/admin-route.ts';
import { audited } from '../admin/audited.ts';
import { pageFields } from '../admin/read-page.ts';
import { requireScope } from '../auth/principal.ts';
import type { GatewayContext, GatewayEnv } from '../environment.ts';
import { listOf, pageOf } from '../openapi/answers.ts';
import { addRoute } from '../openapi/declare-route.ts';
import type { GatewayParts, Operations } from '../parts.ts';
import { parseQuery } from '../request/parse-query.ts';
import { cancelledJobSchema, jobSchema, queueSchema, retriedJobSchema } from './admin-answers.ts';

const jobFilterSchema = z.strictObject({
  ...pageFields,
  state: z.enum(['waiting', 'running', 'ended']).default('waiting'),
  queue: z.string().optional(),
});

type App = OpenAPIHono<GatewayEnv>;

/** Adds the routes; the caller has authenticated and holds admin:read. */
export function addQueueAdminRoutes(app: App, parts: GatewayParts): void {
  const { operations } = parts;
  addRoute(app, LIST_QUEUES, async (c) => c.json({ object: 'list', data: await operations.queues() }));
  addRoute(app, GET_QUEUE, async (c) => c.json(await findQueue(parts, c.req.param('queue') ?? '')));
  addQueueChanges(app, parts);
  addJobRoutes(app, parts);
}

const LIST_QUEUES = readingRoute('/queues', {
  operationId: 'listQueues',
  summary: 'Queues with counts, rates and oldest wait.',
  answer: listOf(queueSchema),
});

const GET_QUEUE = readingRoute('/queues/{queue}', {
  operationId: 'getQueue',
  summary: 'One queue.',
  answer: queueSchema,
  errors: ['not_found'],
});

interface QueueChange {
  readonly verb: string;
  readonly summary: string;
  readonly change: (control: Operations['control'], queue: string) => Promise<void>;
}

const QUEUE_CHANGES: readonly QueueChange[] = [
  { verb: 'pause', summary: 'Stops dispatching from a queue.', change: (control, queue) => control.pause(queue) },
  { verb: 'resume', summary: 'Resumes dispatching from a queue.', change: (control, queue) => control.resume(queue) },
  {
    verb: 'drain',
    summary: 'Refuses new requests to a queue.',
    change: (control, queue) => control.setDraining(queue, true),
  },
  {
    verb: 'reopen',
    summary: 'Accepts new requests to a queue again.',
    change: (control, queue) => control.setDraining(queue, false),
  },
];

function addQueueChanges(app: App, parts: GatewayParts): void {
  for (const { verb, summary, change } of QUEUE_CHANGES) {
    const route = changingRoute(`/queues/{queue}/${verb}`, {
      method: 'post',
      operationId: `${verb}Queue`,
      summary,
      answer: queueSchema,
      errors: ['not_found'],
    });
    addRoute(app, route, async (c) => {
      requireScope(c.get('principal'), 'admin:write');
      const { queue } = await findQueue(parts, c.req.param('queue') ?? '');
      const action = { action: `queue.${verb}`, target: queue };
      await audited(parts, c, action, () => change(parts.operations.control, queue));
      return c.json(await findQueue(parts, queue));
    });
  }
}

const LIST_JOBS = readingRoute('/jobs', {
  operationId: 'listJobs',
  summary: 'Jobs by state, paged.',
  query: jobFilterSchema,
  answer: pageOf(jobSchema).extend({ total: z.int().min(0) }),
});

const GET_JOB = readingRoute('/jobs/{id}', {
  operationId: 'getJob',
  summary: 'One job, without its content.',
  answer: jobSchema,
  errors: ['not_found'],
});

const CANCEL_JOB = changingRoute('/jobs/{id}/cancel', {
  method: 'post',
  operationId: 'cancelJob',
  summary: 'Cancels a job.',
  answer: cancelledJobSchema,
  errors: ['not_found'],
});

const RETRY_JOB = changingRoute('/jobs/{id}/retry', {
  method: 'post',
  operationId: 'retryJob',
  summary: 'Enqueues a failed job again, under a new id.',
  answer: retriedJobSchema,
  errors: ['not_found', 'conflict', 'queue_full'],
});

function addJobRoutes(app: App, parts: GatewayParts): void {
  const { operations } = parts;
  addRoute(app, LIST_JOBS, (c) => listJobs(parts, c));
  addRoute(app, GET_JOB, async (c) => c.json(await findJob(parts, c.req.param('id') ?? '')));
  addRoute(app, CANCEL_JOB, async (c) => {
    requireScope(c.get('principal'), 'admin:write');
    const { id } = await findJob(parts, c.req.param('id') ?? '');
    const cancelled = await audited(parts, c, { action: 'job.cancel', target: id }, () =>
      operations.control.cancel(id),
    );
    return c.json({ id, cancelled });
  });
  addRoute(app, RETRY_JOB, async (c) => {
    requireScope(c.get('principal'), 'admin:write');
    const { id } = await findJob(parts, c.req.param('id') ?? '');
    const retriedAs = await audited(parts, c, { action: 'job.retry', target: id }, () => operations.retry(id));
    return c.json({ id, retriedAs });
  });
}

async function listJobs(parts: GatewayParts, c: GatewayContext): Promise<Response> {
  const { state, queue = null, limit, after = null } = parseQuery(jobFilterSchema, c);
  const page = await parts.operations.jobs({ state, queue }, { limit, after });
  return c.json({ object: 'list', data: page.jobs, next: page.next, total: page.total });
}

async function findQueue(parts: GatewayParts, name: string) {
  const queue = (await parts.operations.queues()).find((view) => view.queue === name);
  if (queue === undefined) throw new DomainError('not_found', 'No queue has this name.', { param: 'queue' });
  return queue;
}

async function findJob(parts: GatewayParts, id: string) {
  const record = await parts.findGeneration(id);
  if (record === null) throw new DomainError('not_found', 'No job has this id, or it has expired.', { param: 'id' });
  return record;
}
