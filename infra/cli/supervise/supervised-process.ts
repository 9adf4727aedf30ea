// A child process that is started again when it dies, ever more slowly when it dies again and again, and that ends when this
// process does (exitWithParent).
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
  /** File that takes what the child prints. */
  readonly logFile: string;
  /** Told in a line for people whenever the child has died. */
  readonly onEnd: (message: string) => void;
  /** Told whenever it was started again: its pid is another one. */
  readonly onRestart: () => void;
}

const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 10_000;
/** A child that lived this long was healthy: the next delay is the first one again. */
const HEALTHY_MS = 30_000;

export class SupervisedProcess {
  readonly #options: SupervisedOptions;
  readonly #running: Promise<void>;
  readonly #stopped = new AbortController();
  readonly #log: number;
  #child: ChildProcess;
  /** Rejects when the very first child ends: the first start must work. */
  readonly failedToStart: Promise<never>;

  constructor(options: SupervisedOptions) {
    this.#options = options;
    this.#log = openSync(options.logFile, 'a', 0o600);
    const { child, exited } = this.#spawn();
    this.#child = child;
    this.failedToStart = exited.then((why) => {
      const message = `The ${options.name} ended at its start (${why}): ${lastLine(options.logFile)}`;
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
      this.#options.onEnd(`The ${this.#options.name} ended (${why}); starting it again.`);
      await this.#pause(delayMs - FIRST_DELAY_MS);
      if (this.#stopped.signal.aborted) return;
      delayMs = Math.min(MAX_DELAY_MS, delayMs * 2);
      ({ child: this.#child, exited } = this.#spawn());
      this.#options.onRestart();
    }
  }
}

/** A process that gives up says why in its last line. */
function lastLine(logFile: string): string {
  return readFileSync(logFile, 'utf8').trim().split('\n').at(-1) ?? '';
}
