// bull-board over the BullMQ queues, read-only, below /admin/queues. Jobs have no content, and every change goes through the
// admin API, which keeps dispatch fair and writes the audit log.
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { HonoAdapter } from '@bull-board/hono';
import { type ServeStaticOptions, serveStatic } from '@hono/node-server/serve-static';
import { Queue } from 'bullmq';
import { Hono, type MiddlewareHandler } from 'hono';
import type { Redis } from 'ioredis';
import { BULLMQ_PREFIX } from '../../infra/redis/keys.ts';

/** Where the board is mounted. */
export const JOB_BOARD_PATH = '/admin/queues';

/** The page polls the counts of every queue that it shows. */
const MAX_QUEUES = 200;

export interface JobBoard {
  /** To be mounted at JOB_BOARD_PATH behind authentication. */
  readonly app: Hono;
  /** Shows the queues that exist now; to be called before a request is served. */
  refresh(): Promise<void>;
  close(): Promise<void>;
}

export interface JobBoardDeps {
  /** Shared by all queues. */
  readonly redis: Redis;
  queueNames(): Promise<readonly string[]>;
  /** Converts a path of the gateway into the path that browsers request. */
  publicPath(path: string): string;
}

/** A board over the queues that exist. */
export function createJobBoard({ redis, queueNames, publicPath }: JobBoardDeps): JobBoard {
  const server = new HonoAdapter(staticFiles);
  const signOut = { text: 'Sign out', url: publicPath('/admin/logout') };
  // Its count of workers is of BullMQ's own, which ours are not.
  const uiConfig = { boardTitle: 'Conclave', hideDocsLink: true, showWorkers: false, miscLinks: [signOut] };
  const board = createBullBoard({ queues: [], serverAdapter: server, options: { uiConfig } });
  server.setBasePath(publicPath(JOB_BOARD_PATH));
  const queues = new Map<string, Queue>();
  return {
    app: new Hono().use(withoutOutsideFonts).route('/', server.registerPlugin()),
    refresh: async () => {
      const wanted = new Set((await queueNames()).slice(0, MAX_QUEUES));
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

/** The adapter looks for files below the browser's path; requests come with the gateway's. */
function staticFiles(options?: ServeStaticOptions): MiddlewareHandler {
  const rewriteRequestPath = (path: string) => path.slice(`${JOB_BOARD_PATH}/static`.length);
  return serveStatic({ ...options, rewriteRequestPath });
}

/** The board's page links to a font on another site, which the content-security-policy blocks: remove the link. */
const withoutOutsideFonts: MiddlewareHandler = async (c, next) => {
  await next();
  if (c.res.headers.get('content-type')?.startsWith('text/html') !== true) return;
  const page = (await c.res.text()).replace(/<link href="https:[^>]*>/g, '');
  c.res = new Response(page, c.res);
};

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
