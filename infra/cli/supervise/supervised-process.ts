// A child process that is started again when it dies. In: what to run. Out: its readiness and its pid. A child says
// `{ ready: ... }` over IPC when it can be used; one that dies again and again is given ever more time between starts.
import { type ChildProcess, fork } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';

export interface SupervisedOptions {
  /** For messages: `gateway`, `worker-1`. */
  readonly name: string;
  /** Module to run, with its arguments. */
  readonly module: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Told in a line for people whenever the child dies and is started again. */
  readonly onRestart: (message: string) => void;
}

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 10_000;
/** A child that lived this long was healthy: the next delay is the first one again. */
const HEALTHY_MS = 30_000;

export class SupervisedProcess {
  readonly #options: SupervisedOptions;
  #child: ChildProcess | null = null;
  #stopping = false;
  #running: Promise<void> = Promise.resolve();

  constructor(options: SupervisedOptions) {
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the child; resolves with what it reports as ready. Rejects when it ends before that: the first start must work. */
  start(): Promise<unknown> {
    const { ready, exited } = this.#spawn();
    this.#running = this.#keepRunning(exited);
    const ended = exited.then((why) =>
      Promise.reject(new Error(`${this.#options.name} ended before it was ready (${why}).`)),
    );
    return Promise.race([ready, ended]);
  }

  /** SIGTERM; after `graceMs` SIGKILL. Resolves when it has ended. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.#child?.kill('SIGTERM');
    const late = setTimeout(() => this.#child?.kill('SIGKILL'), graceMs);
    await this.#running;
    clearTimeout(late);
  }

  #spawn(): { readonly ready: Promise<unknown>; readonly exited: Promise<string> } {
    const { module, args, env } = this.#options;
    const child = fork(module, [...args], { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child = child;
    const ready = new Promise<unknown>((resolve) => {
      child.on('message', (message) => {
        if (typeof message === 'object' && message !== null && 'ready' in message) resolve(message.ready);
      });
    });
    const exited = new Promise<string>((resolve) => {
      child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
      child.once('error', (error) => resolve(error.message));
    });
    return { ready, exited };
  }

  async #keepRunning(firstExit: Promise<string>): Promise<void> {
    let exited = firstExit;
    let delayMs = FIRST_DELAY_MS;
    for (let startedMs = performance.now(); ; startedMs = performance.now()) {
      const why = await exited;
      if (this.#stopping) return;
      if (performance.now() - startedMs > HEALTHY_MS) delayMs = FIRST_DELAY_MS;
      this.#options.onRestart(`${this.#options.name} ended (${why}); starting it again.`);
      await delay(delayMs);
      if (this.#stopping) return;
      delayMs = Math.min(LONGEST_DELAY_MS, delayMs * 2);
      exited = this.#spawn().exited;
    }
  }
}
