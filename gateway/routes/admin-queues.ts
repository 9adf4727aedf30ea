// /admin/api/queues, /jobs: what operators see of the running system and what they change in it. Never prompts.
import type { OpenAPIHono } from '@hono/zod-openapi';
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { GenerationState } from '../../infra/queue/generation-record.ts';
import { audited } from '../admin/audited.ts';
import { readPage } from '../admin/read-page.ts';
import { requireScope } from '../auth/principal.ts';
import type { GatewayContext, GatewayEnv } from '../environment.ts';
import type { GatewayParts } from '../parts.ts';

const STATES: readonly GenerationState[] = ['waiting', 'running', 'ended'];

type App = OpenAPIHono<GatewayEnv>;

/** Adds the routes; the caller has authenticated and holds admin:read. */
export function addQueueAdminRoutes(app: App, parts: GatewayParts): void {
  const { operations } = parts;
  app.get('/admin/api/queues', async (c) => c.json({ object: 'list', data: await operations.queues() }));
  app.get('/admin/api/queues/:queue', async (c) => c.json(await findQueue(parts, c.req.param('queue'))));
  addQueueChanges(app, parts);
  addJobRoutes(app, parts);
}

function addQueueChanges(app: App, parts: GatewayParts): void {
  const { control } = parts.operations;
  const changes: Readonly<Record<string, (queue: string) => Promise<void>>> = {
    pause: (queue) => control.pause(queue),
    resume: (queue) => control.resume(queue),
    drain: (queue) => control.setDraining(queue, true),
    reopen: (queue) => control.setDraining(queue, false),
  };
  for (const [verb, change] of Object.entries(changes)) {
    app.post(`/admin/api/queues/:queue/${verb}`, async (c) => {
      requireScope(c.get('principal'), 'admin:write');
      const { queue } = await findQueue(parts, c.req.param('queue'));
      await audited(parts, c, { action: `queue.${verb}`, target: queue }, () => change(queue));
      return c.json(await findQueue(parts, queue));
    });
  }
}

function addJobRoutes(app: App, parts: GatewayParts): void {
  const { operations } = parts;
  app.get('/admin/api/jobs', (c) => listJobs(parts, c));
  app.get('/admin/api/jobs/:id', async (c) => c.json(await findJob(parts, c.req.param('id'))));
  app.post('/admin/api/jobs/:id/cancel', async (c) => {
    requireScope(c.get('principal'), 'admin:write');
    const { id } = await findJob(parts, c.req.param('id'));
    const cancelled = await audited(parts, c, { action: 'job.cancel', target: id }, () =>
      operations.control.cancel(id),
    );
    return c.json({ id, cancelled });
  });
  app.post('/admin/api/jobs/:id/retry', async (c) => {
    requireScope(c.get('principal'), 'admin:write');
    const { id } = await findJob(parts, c.req.param('id'));
    const retriedAs = await audited(parts, c, { action: 'job.retry', target: id }, () => operations.retry(id));
    return c.json({ id, retriedAs });
  });
}

async function listJobs(parts: GatewayParts, c: GatewayContext): Promise<Response> {
  const wanted = c.req.query('state') ?? 'waiting';
  const state = STATES.find((each) => each === wanted);
  if (state === undefined) {
    const message = `Invalid 'state': expected one of ${STATES.join(', ')}.`;
    throw new DomainError('invalid_request', message, { param: 'state' });
  }
  const page = await parts.operations.jobs({ state, queue: c.req.query('queue') ?? null }, readPage(c));
  return c.json({ object: 'list', data: page.jobs, next: page.next, total: page.total });
}

async function findQueue(parts: GatewayParts, name: string) {
  const queue = (await parts.operations.queues()).find((view) => view.queue === name);
  if (queue === undefined) throw new DomainError('not_found', 'There is no queue of this name.', { param: 'queue' });
  return queue;
}

async function findJob(parts: GatewayParts, id: string) {
  const record = await parts.findGeneration(id);
  if (record === null) throw new DomainError('not_found', 'There is no job with this id.', { param: 'id' });
  return record;
}
