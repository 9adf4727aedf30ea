// Several nodes on this machine for one command: this process leads, further workers compute with it. They find each other as
// the nodes of a cluster do, over two private Redis servers, and end with the command.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { loadModel } from '../../workers/model/load-model.ts';
import { refuseDenseGroup } from '../../workers/model/refuse-dense-group.ts';
import type { StoredModel } from '../../workers/model/stored-model.ts';
import type { ServingNode } from '../../workers/serve/open-node.ts';
import { leadFor } from '../../workers/serve/serve-model.ts';
import type { StepExecutor } from '../../workers/step/run-step.ts';
import { readConfig } from '../config/read-config.ts';
import { DomainError } from '../errors/domain-error.ts';
import { createLogger } from '../log/logger.ts';
import type { Topology } from '../messages/group-plan.ts';
import { PACKAGE_ROOT } from '../package-facts.ts';
import type { RedisRole } from '../redis/redis-role.ts';
import { type RunningRedis, runRedis } from '../redis/run-redis.ts';
import type { EngineFlags } from './engine-flags.ts';
import { homeFolder } from './home-folder.ts';
import { loadDisplay } from './load-events.ts';

export interface LocalGroupFlags extends EngineFlags {
  readonly nodes: number;
  readonly topology: Topology | 'auto';
}

/** Runs `use` when all nodes compute. Throws what openNode throws, or `unavailable` when a worker ends early. */
export async function withLocalGroup<Result>(
  flags: LocalGroupFlags,
  use: (node: ServingNode, executor: StepExecutor) => Promise<Result>,
): Promise<Result> {
  const folder = resolve(flags.model);
  const home = resolve(homeFolder(flags.home, process.env));
  await buildAllPacks(folder, home, flags.nodes);
  const scratch = mkdtempSync(join(tmpdir(), 'conclave-group-'));
  const workers = new LocalWorkers();
  const servers = await startRedis(scratch);
  try {
    const [durable, exchange] = servers;
    const env = { REDIS_URL: durable.url, EXCHANGE_URL: exchange.url, CONCLAVE_HOME: home };
    const configFile = writeConfig(scratch, flags);
    const config = readConfig({ config: configFile }, env);
    const options = { config, folder, name: null, nodeId: 'node-1', log: createLogger('generate', 'error') };
    const startOthers = (): void => {
      for (let node = 2; node <= flags.nodes; node += 1) {
        const args = ['--config', configFile, '--model', folder, '--node', `node-${node}`];
        workers.start(args, { ...process.env, ...env }, join(scratch, `node-${node}.log`));
      }
    };
    return await Promise.race([leadFor(options, flags.nodes, startOthers, use), workers.failed]);
  } finally {
    await workers.stop();
    await Promise.all(servers.map((server) => server.kill()));
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** With the progress that a person waits for; the nodes then find them there. */
async function buildAllPacks(folder: string, home: string, nodes: number): Promise<void> {
  const display = loadDisplay();
  const check = (model: StoredModel) => refuseDenseGroup(model, nodes);
  (await loadModel({ folder, home, packs: 'all', events: display.events, check }).finally(display.end)).close();
}

function startRedis(scratch: string): Promise<[RunningRedis, RunningRedis]> {
  const run = (role: RedisRole) => runRedis({ role, dir: join(scratch, role), listen: 'unix' });
  return Promise.all([run('durable'), run('exchange')]);
}

/** Nodes of one machine share its cores. */
function writeConfig(scratch: string, { threads, nodes, topology }: LocalGroupFlags): string {
  const file = join(scratch, 'conclave.yaml');
  const each = threads ?? Math.max(1, Math.floor(availableParallelism() / nodes));
  writeFileSync(file, JSON.stringify({ worker: { threads: each, topology } }));
  return file;
}

class LocalWorkers {
  readonly #running: { readonly child: ChildProcess; readonly exited: Promise<unknown> }[] = [];
  #fail: (why: DomainError) => void = () => {};
  #stopping = false;
  /** Rejects when a worker exits unexpectedly. */
  readonly failed = new Promise<never>((_, reject) => {
    this.#fail = reject;
  });

  start(args: readonly string[], env: NodeJS.ProcessEnv, logFile: string): void {
    const log = openSync(logFile, 'a', 0o600);
    const child = spawn(process.execPath, [join(PACKAGE_ROOT, 'dist', 'workers', 'main.js'), ...args], {
      env,
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    const exited = once(child, 'exit').then(() => {
      if (this.#stopping) return;
      const last = readFileSync(logFile, 'utf8').trim().split('\n').at(-1);
      this.#fail(new DomainError('unavailable', `A node exited unexpectedly: ${last}`));
    });
    this.#running.push({ child, exited });
  }

  /** They hold nothing that would be lost. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const { child } of this.#running) child.kill('SIGKILL');
    await Promise.all(this.#running.map(({ exited }) => exited));
  }
}
