// "There may be work": a subscription that an idle leader waits on. A wake-up that comes while nobody waits is kept.
import type { Redis } from 'ioredis';
import { connectRedis } from '../../infra/redis/connect.ts';

export class WakeSignal {
  readonly #redis: Redis;
  #pending = true;
  #waiting: (() => void) | null = null;

  /** Subscribes over a connection of its own. */
  constructor(url: string, channel: string) {
    this.#redis = connectRedis({ url, role: 'durable', name: 'wake', patience: 'forever' });
    this.#redis.on('message', () => this.#ring());
    // What was published while the connection was gone is lost.
    this.#redis.on('ready', () => this.#ring());
    this.#redis.subscribe(channel).catch(() => {
      // Only close() ends the wait for Redis; then nobody needs the subscription.
    });
  }

  /** True when a wake-up came since the last call of this or of `wait`. */
  take(): boolean {
    const rang = this.#pending;
    this.#pending = false;
    return rang;
  }

  /** Settles at the next wake-up, or at once when one came since the last call; at the latest after `timeoutMs`. */
  wait(timeoutMs: number): Promise<void> {
    if (this.take()) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#ring(), timeoutMs);
      this.#waiting = () => {
        clearTimeout(timer);
        this.#pending = false;
        resolve();
      };
    });
  }

  /** Ends a wait in progress and the subscription. */
  close(): void {
    this.#ring();
    this.#redis.disconnect();
  }

  #ring(): void {
    this.#pending = true;
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.();
  }
}
