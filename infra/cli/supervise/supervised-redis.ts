// One of the two private Redis servers, started again on the same files and address when it dies.
import { setTimeout as delay } from 'node:timers/promises';
import { parseRedisUrl } from '../../redis/connect.ts';
import { type RunningRedis, type RunRedisOptions, runRedis } from '../../redis/run-redis.ts';

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 10_000;

export class SupervisedRedis {
  readonly #options: RunRedisOptions;
  readonly #onRestart: (message: string) => void;
  readonly #watching: Promise<void>;
  #server: RunningRedis;
  #stopping = false;

  private constructor(options: RunRedisOptions, server: RunningRedis, onRestart: (message: string) => void) {
    this.#options = { ...options, ...sameAddress(server.url) };
    this.#onRestart = onRestart;
    this.#server = server;
    this.#watching = this.#watch();
  }

  /** Starts the server; `onRestart` is told in a line for people whenever it dies. */
  static async start(options: RunRedisOptions, onRestart: (message: string) => void): Promise<SupervisedRedis> {
    return new SupervisedRedis(options, await runRedis(options), onRestart);
  }

  get url(): string {
    return this.#server.url;
  }

  get pid(): number {
    return this.#server.pid;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#server.stop();
    await this.#watching;
  }

  async #watch(): Promise<void> {
    let delayMs = FIRST_DELAY_MS;
    for (;;) {
      await this.#server.exited;
      if (this.#stopping) return;
      this.#onRestart(`redis (${this.#options.role}) ended; starting it again.`);
      await delay(delayMs);
      const before = this.#server;
      this.#server = await runRedis(this.#options).catch(() => before);
      delayMs = this.#server === before ? Math.min(LONGEST_DELAY_MS, delayMs * 2) : FIRST_DELAY_MS;
    }
  }
}

/** What clients were told stays true: password, and the port where it is one. */
function sameAddress(url: string): Pick<RunRedisOptions, 'listen' | 'password'> {
  const { port, password = '' } = parseRedisUrl(url, 'url');
  return { listen: port ?? 'unix', password };
}
