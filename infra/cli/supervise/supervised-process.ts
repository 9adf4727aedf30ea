// A child process that is restarted when it exits, with exponential backoff, and that exits with this process
// (exitWithParent).
import { type ChildProcess, spawn } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { DomainError } from '../../errors/domain-error.ts';

export interface SupervisedOptions {
  /** For messages: `gateway`, `worker 1`. */
  readonly name: string;
  /** JavaScript file to run, with its arguments. */
  readonly module: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** File for the child's stdout and stderr. */
  readonly logFile: string;
  /** Called with a message for the user when the child has exited. */
  readonly onEnd: (message: string) => void;
  /** Called after a restart, which changes the pid. */
  readonly onRestart: () => void;
}

const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 10_000;
/** A child that has run this long resets the backoff. */
const HEALTHY_MS = 30_000;

export class SupervisedProcess {
  readonly #options: SupervisedOptions;
  readonly #running: Promise<void>;
  readonly #stopped = new AbortController();
  readonly #log: number;
  #child: ChildProcess;
  /** Rejects when the first child exits: the first start must succeed. */
  readonly failedToStart: Promise<never>;

  constructor(options: SupervisedOptions) {
    this.#options = options;
    this.#log = openSync(options.logFile, 'a', 0o600);
    const { child, exited } = this.#spawn();
    this.#child = child;
    this.failedToStart = exited.then((why) => {
      const message = `The ${options.name} failed to start (${why}): ${lastLine(options.logFile)}`;
      throw new DomainError('unavailable', message);
    });
    // Looked at only during the start.
    this.failedToStart.catch(() => {});
    this.#running = this.#keepRunning(exited);
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** SIGTERM; after `graceMs` SIGKILL. Resolves when it has ended. */
  async stop(graceMs: number): Promise<void> {
    this.#stopped.abort();
    this.#child.kill('SIGTERM');
    const late = setTimeout(() => this.#child.kill('SIGKILL'), graceMs);
    await this.#running;
    clearTimeout(late);
  }

  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#stopped.signal }).catch(() => {});
  }

  #spawn(): { readonly child: ChildProcess; readonly exited: Promise<string> } {
    const { module, args, env } = this.#options;
    const child = spawn(process.execPath, [module, ...args], {
      env,
      stdio: ['ignore', this.#log, this.#log, 'ipc'],
      // Signals that go to our whole process group, as Ctrl-C does, are ours to answer.
      detached: true,
    });
    const exited = new Promise<string>((resolve) => {
      child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
      child.once('error', (error) => resolve(error.message));
    });
    return { child, exited };
  }

  async #keepRunning(firstExit: Promise<string>): Promise<void> {
    let exited = firstExit;
    let delayMs = FIRST_DELAY_MS;
    for (;;) {
      const startedMs = performance.now();
      const why = await exited;
      if (this.#stopped.signal.aborted) return;
      if (performance.now() - startedMs > HEALTHY_MS) delayMs = FIRST_DELAY_MS;
      // A start that fails is reported by its caller, which stops this process then.
      await this.#pause(FIRST_DELAY_MS);
      if (this.#stopped.signal.aborted) return;
      this.#options.onEnd(`The ${this.#options.name} exited (${why}). Restarting it.`);
      await this.#pause(delayMs - FIRST_DELAY_MS);
      if (this.#stopped.signal.aborted) return;
      delayMs = Math.min(MAX_DELAY_MS, delayMs * 2);
      ({ child: this.#child, exited } = this.#spawn());
      this.#options.onRestart();
    }
  }
}

/** The last line of the log, which has the reason why a process exited. */
function lastLine(logFile: string): string {
  return readFileSync(logFile, 'utf8').trim().split('\n').at(-1) ?? '';
}
