// One of the two private Redis servers, restarted on the same files and address when it exits.
import { setTimeout as delay } from 'node:timers/promises';
import { parseRedisUrl } from '../../redis/connect.ts';
import { type RunningRedis, type RunRedisOptions, runRedis } from '../../redis/run-redis.ts';

const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 10_000;

export interface RedisEvents {
  /** Called with a message for the user when the server has exited. */
  readonly onEnd: (message: string) => void;
  /** Called after a restart, which changes the pid. */
  readonly onRestart: () => void;
}

export class SupervisedRedis {
  readonly #options: RunRedisOptions;
  readonly #events: RedisEvents;
  readonly #watching: Promise<void>;
  readonly #stopped = new AbortController();
  #server: RunningRedis;

  private constructor(options: RunRedisOptions, server: RunningRedis, events: RedisEvents) {
    this.#options = { ...options, ...sameAddress(server.url) };
    this.#events = events;
    this.#server = server;
    this.#watching = this.#watch();
  }

  /** Starts the server. Throws DomainError `unavailable` when it cannot be started. */
  static async start(options: RunRedisOptions, events: RedisEvents): Promise<SupervisedRedis> {
    return new SupervisedRedis(options, await runRedis(options), events);
  }

  get url(): string {
    return this.#server.url;
  }

  get pid(): number {
    return this.#server.pid;
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#server.stop();
    await this.#watching;
  }

  async #watch(): Promise<void> {
    let delayMs = FIRST_DELAY_MS;
    for (;;) {
      await this.#server.exited;
      if (this.#stopped.signal.aborted) return;
      this.#events.onEnd(`The ${this.#options.role} Redis exited. Restarting it.`);
      await delay(delayMs, undefined, { signal: this.#stopped.signal }).catch(() => {});
      if (this.#stopped.signal.aborted) return;
      const started = await runRedis(this.#options).catch(() => null);
      if (started === null) {
        delayMs = Math.min(MAX_DELAY_MS, delayMs * 2);
        continue;
      }
      this.#server = started;
      // stop() has stopped only the previous server.
      if (this.#stopped.signal.aborted) return started.stop();
      delayMs = FIRST_DELAY_MS;
      this.#events.onRestart();
    }
  }
}

/** Keeps the address that clients use: the password, and the port unless it is a Unix socket. */
function sameAddress(url: string): Pick<RunRedisOptions, 'listen' | 'password'> {
  const { port, password = '' } = parseRedisUrl(url, 'url');
  return { listen: port ?? 'unix', password };
}
