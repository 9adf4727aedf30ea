// bull-board over our BullMQ queues, read-only: a second look for operators, below /admin/queues. Jobs carry no content, and
// every change goes through the admin API, which knows fairness and writes the audit log.
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { HonoAdapter } from '@bull-board/hono';
import { serveStatic } from '@hono/node-server/serve-static';
import { Queue } from 'bullmq';
import type { Hono } from 'hono';
import type { Redis } from 'ioredis';
import { BULLMQ_PREFIX } from '../../infra/redis/keys.ts';

/** Where the board's page believes to be; its assets and calls are relative to it. */
export const JOB_BOARD_PATH = '/admin/queues';

/** The page asks for the counts of every queue it shows, every few seconds. */
const MAX_QUEUES = 200;

export interface JobBoard {
  /** To be mounted at JOB_BOARD_PATH behind authentication. */
  readonly app: Hono;
  /** Shows the queues that exist now; to be called before a request is served. */
  refresh(): Promise<void>;
  close(): Promise<void>;
}

/** A board over the queues that `names` lists, sharing one connection. */
export function createJobBoard(redis: Redis, names: () => Promise<readonly string[]>): JobBoard {
  const server = new HonoAdapter(serveStatic);
  const board = createBullBoard({
    queues: [],
    serverAdapter: server,
    options: { uiConfig: { boardTitle: 'Conclave' } },
  });
  server.setBasePath(JOB_BOARD_PATH);
  const queues = new Map<string, Queue>();
  return {
    app: server.registerPlugin(),
    refresh: async () => {
      const wanted = new Set((await names()).slice(0, MAX_QUEUES));
      const fresh = [...wanted].filter((name) => !queues.has(name));
      const stale = [...queues.keys()].filter((name) => !wanted.has(name));
      for (const name of fresh) queues.set(name, openQueue(redis, name));
      await Promise.all(stale.map((name) => closeQueue(queues, name)));
      if (fresh.length + stale.length > 0) board.replaceQueues([...queues.values()].map(readOnly));
    },
    close: async () => {
      await Promise.all([...queues.keys()].map((name) => closeQueue(queues, name)));
    },
  };
}

function openQueue(redis: Redis, name: string): Queue {
  return new Queue(name, { connection: redis, prefix: BULLMQ_PREFIX });
}

function closeQueue(queues: Map<string, Queue>, name: string): Promise<void> {
  const queue = queues.get(name);
  queues.delete(name);
  return queue?.close() ?? Promise.resolve();
}

function readOnly(queue: Queue): BullMQAdapter {
  return new BullMQAdapter(queue, { readOnlyMode: true });
}
