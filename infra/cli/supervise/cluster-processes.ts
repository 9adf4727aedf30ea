// The processes of `npm start` except Redis: a gateway and one worker per node. In: configuration and addresses. Out: running
// processes, and whether they are ready to answer.
import { get } from 'node:http';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Config } from '../../config/config-schema.ts';
import { DomainError } from '../../errors/domain-error.ts';
import { PACKAGE_ROOT } from '../../package-facts.ts';
import { readPlan } from '../../registry/group-plans.ts';
import { readNodes } from '../../registry/node-heartbeats.ts';
import { SupervisedProcess } from './supervised-process.ts';
import type { RedisEvents } from './supervised-redis.ts';

export interface ProcessOptions {
  readonly config: Config;
  /** The configuration file the processes read too, or undefined. */
  readonly configFile: string | undefined;
  readonly events: RedisEvents;
  /** URLs of the two Redis servers. */
  readonly durable: string;
  readonly exchange: string;
  /** Checkpoint or pack folder. */
  readonly folder: string;
  /** The name that clients use. */
  readonly model: string;
  readonly port: number;
}

const POLL_MS = 20;
const LOGGED_WAIT_MS = 2_000;

export class ClusterProcesses {
  readonly #options: ProcessOptions;
  readonly #gateway: SupervisedProcess;
  readonly #workers: readonly SupervisedProcess[];

  constructor(options: ProcessOptions) {
    this.#options = options;
    this.#gateway = this.#run('gateway', 'gateway/main.js', []);
    const nodes = Array.from({ length: options.config.nodes }, (_, index) => index + 1);
    const started: SupervisedProcess[] = [];
    try {
      for (const node of nodes)
        started.push(this.#run(workerName(node), 'workers/main.js', this.#workerArguments(node)));
    } catch (thrown) {
      // A log that cannot be opened: what runs already must not keep this process from ending.
      for (const running of [this.#gateway, ...started]) void running.stop(0);
      throw thrown;
    }
    this.#workers = started;
  }

  /** By name: `gateway`, `worker`, `worker-2` and so on. */
  pids(): Record<string, number> {
    const workers = this.#workers.map((worker, index) => [workerName(index + 1), worker.pid] as const);
    return { gateway: this.#gateway.pid, ...Object.fromEntries(workers) };
  }

  async stop(graceMs: number): Promise<void> {
    await Promise.all([this.#gateway, ...this.#workers].map((process) => process.stop(graceMs)));
  }

  /**
   * Resolves when every node takes part and the gateway is ready. Throws the error of a process that could not start, or
   * `cancelled` if `interrupted` is aborted.
   */
  async ready(url: string, redis: Redis, say: (line: string) => void, interrupted: AbortSignal): Promise<void> {
    const waiting = new AbortController();
    const failures = [this.#gateway, ...this.#workers].map(({ failedToStart }) => failedToStart);
    try {
      const formed = Promise.all([
        this.#untilServed(url, waiting.signal),
        this.#untilFormed(redis, say, waiting.signal),
      ]);
      await Promise.race([formed, ...failures, rejectedBy(interrupted)]);
    } finally {
      waiting.abort();
    }
  }

  /** The gateway is ready once a worker has published a model. */
  async #untilServed(url: string, over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      if ((await statusOf(`${url}/readyz`, over)) === 200) return;
      await delay(POLL_MS);
    }
  }

  async #untilFormed(redis: Redis, say: (line: string) => void, over: AbortSignal): Promise<void> {
    const { nodes, worker } = this.#options.config;
    const notice = lasting(say);
    while (!over.aborted) {
      const plan = await readPlan(redis, worker.group);
      const living = (await readNodes(redis)).filter(({ group }) => group === worker.group);
      const members = new Set(plan?.members.map(({ incarnation }) => incarnation));
      if (living.filter(({ incarnation }) => members.has(incarnation)).length >= nodes) return;
      notice(living.flatMap(({ id, waitsFor }) => (waitsFor === '' ? [] : `${id}: ${waitsFor}`))[0] ?? '');
      await delay(POLL_MS);
    }
  }

  #run(name: string, module: string, args: readonly string[]): SupervisedProcess {
    const { config, configFile, events, durable, exchange, port } = this.#options;
    const file = configFile === undefined ? [] : ['--config', configFile];
    return new SupervisedProcess({
      name,
      module: join(PACKAGE_ROOT, 'dist', module),
      args: [...file, ...args],
      env: {
        ...process.env,
        REDIS_URL: durable,
        EXCHANGE_URL: exchange,
        CONCLAVE_HOME: config.home,
        CONCLAVE_HOST: config.host,
        CONCLAVE_PORT: String(port),
      },
      logFile: join(config.home, `${name}.log`),
      ...events,
    });
  }

  #workerArguments(node: number): readonly string[] {
    const { config, folder, model } = this.#options;
    const threads = config.worker.threads ?? threadsOfEach(config.nodes);
    return [
      '--model',
      folder,
      '--name',
      model,
      '--node',
      `node-${node}`,
      ...(threads === null ? [] : ['--threads', String(threads)]),
    ];
  }
}

function rejectedBy(interrupted: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const cancel = () => reject(new DomainError('cancelled', 'The start was interrupted.'));
    if (interrupted.aborted) cancel();
    else interrupted.addEventListener('abort', cancel, { once: true });
  });
}

/** Status of a GET; 0 if there is no answer. Uses node:http, because loading a larger client would delay the start. */
function statusOf(url: string, over: AbortSignal): Promise<number> {
  return new Promise((resolve) => {
    const asked = get(url, { signal: over }, (answer) => {
      answer.resume().on('close', () => resolve(answer.statusCode ?? 0));
    });
    asked.on('error', () => resolve(0));
  });
}

/** Passes a line on once it has stayed the same for a while, to suppress transient states. */
function lasting(say: (line: string) => void): (line: string) => void {
  let [last, sinceMs, said] = ['', performance.now(), false];
  return (line) => {
    if (line !== last) [last, sinceMs, said] = [line, performance.now(), false];
    if (line === '' || said || performance.now() - sinceMs < LOGGED_WAIT_MS) return;
    said = true;
    say(line);
  };
}

/** Nodes of one machine share its cores; null leaves a single one all of them. */
function threadsOfEach(nodes: number): number | null {
  return nodes === 1 ? null : Math.max(1, Math.floor(availableParallelism() / nodes));
}

function workerName(node: number): string {
  return node === 1 ? 'worker' : `worker-${node}`;
}
