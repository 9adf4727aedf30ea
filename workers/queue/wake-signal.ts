// Signals for an idle leader: "there may be work", and jobs handed directly to its group. Received over a subscription, and
// buffered until the leader waits.
import type { Redis } from 'ioredis';
import { connectRedis } from '../../infra/redis/connect.ts';

export interface WakeChannels {
  /** Tells that there may be work. */
  readonly wake: string;
  /** Hands jobs to this group: what take-generation replies, joined by line ends. */
  readonly given: string;
}

export class WakeSignal {
  readonly #redis: Redis;
  readonly #given: string[][] = [];
  #pending = true;
  #interrupted = false;
  #waiting: (() => void) | null = null;

  /** Subscribes over a connection of its own. */
  constructor(url: string, channels: WakeChannels) {
    this.#redis = connectRedis({ url, role: 'durable', name: 'wake', retry: 'forever' });
    this.#redis.on('message', (channel: string, message: string) => {
      if (channel === channels.given) this.#given.push(message.split('\n'));
      this.#ring();
    });
    // What was published while the connection was gone is lost.
    this.#redis.on('close', () => {
      this.#interrupted = true;
    });
    this.#redis.on('ready', () => this.#ring());
    this.#redis.subscribe(channels.wake, channels.given).catch(() => {
      // Only close() ends the wait for Redis, and then the subscription is no longer needed.
    });
  }

  /** True when a wake-up came since the last call of this or of `wait`. */
  take(): boolean {
    const rang = this.#pending;
    this.#pending = false;
    return rang;
  }

  /** The next job that was handed over, or null. */
  takeAssigned(): readonly string[] | null {
    return this.#given.shift() ?? null;
  }

  /** True when jobs may have been handed over unheard since the last call. */
  takeInterrupted(): boolean {
    const interrupted = this.#interrupted && this.#redis.status === 'ready';
    if (interrupted) this.#interrupted = false;
    return interrupted;
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
