// Leadership of a group: a lease in Redis time, identified by (epoch, nonce). The holder fences itself by its own monotonic
// clock, so two processes never act as leader at the same time.
import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { WriterFence } from '../../infra/queue/finish-generation.ts';
import { fenceText } from '../../infra/queue/finish-generation.ts';
import { keyOf } from '../../infra/redis/keys.ts';
import { askRedis } from '../../infra/redis/script-errors.ts';
import { runScript } from '../../infra/redis/scripts.ts';
import { type Repeating, repeatEvery } from '../../infra/timing/repeat-every.ts';

export interface LeaseIdentity {
  /** Strictly larger than the epoch of every earlier holder. */
  readonly epoch: number;
  /** Random, 16 hex digits. */
  readonly nonce: string;
}

export interface HeldLease extends LeaseIdentity {
  readonly group: string;
  /** True while the lease certainly holds, by the local monotonic clock; no round trip. */
  readonly held: boolean;
  /** Aborted once, when the lease is lost or released. */
  readonly lost: AbortSignal;
  /** The fencing token for writers. Throws `fenced` unless the lease certainly holds. */
  fence(): WriterFence;
  /** Gives up leadership immediately. */
  release(): Promise<void>;
}

export interface LeaseOptions {
  readonly redis: Redis;
  readonly group: string;
  /** Id of the leading node, for operators. */
  readonly nodeId: string;
  /** Length; renewed every third of it. Default 5,000. */
  readonly leaseMs?: number;
  /** Monotonic clock in ms; default performance.now. */
  readonly now?: () => number;
}

const LEASE_MS = 5_000;
/** Upper bound on the relative drift between the clocks of two machines. */
const CLOCK_DRIFT = 0.02;

/**
 * Tries once to become leader. Null if another node holds the lease, or within a lease length after a restart of Redis.
 * The new epoch is greater than `seenEpoch`, the highest epoch that this node has seen.
 */
export async function acquireLease(options: LeaseOptions, seenEpoch: number): Promise<HeldLease | null> {
  const clock = options.now ?? (() => performance.now());
  const leaseMs = options.leaseMs ?? LEASE_MS;
  const nonce = randomBytes(8).toString('hex');
  const askedAtMs = clock();
  const scriptKeys = [keyOf('lease', options.group), keyOf('epoch', options.group)];
  const epoch = Number(
    await runScript(options.redis, 'acquire-lease', scriptKeys, [seenEpoch, nonce, leaseMs, options.nodeId]),
  );
  return epoch === 0
    ? null
    : new Lease(options.redis, { group: options.group, epoch, nonce }, leaseMs, clock, askedAtMs);
}

/** The current lease of a group; null if it has no leader. */
export async function readLease(
  redis: Redis,
  group: string,
): Promise<(LeaseIdentity & { readonly nodeId: string }) | null> {
  const [held, nodeId] = await askRedis(
    Promise.all([redis.get(keyOf('lease', group)), redis.hget(keyOf('epoch', group), 'node')]),
  );
  const [epoch, nonce] = (held ?? '').split(':');
  return epoch === undefined || nonce === undefined ? null : { epoch: Number(epoch), nonce, nodeId: nodeId ?? '' };
}

class Lease implements HeldLease {
  readonly group: string;
  readonly epoch: number;
  readonly nonce: string;
  readonly #redis: Redis;
  readonly #leaseMs: number;
  readonly #now: () => number;
  readonly #lost = new AbortController();
  readonly #renewing: Repeating;
  #validUntilMs = 0;
  #expiry: NodeJS.Timeout | undefined;

  constructor(redis: Redis, holder: WriterFence, leaseMs: number, now: () => number, askedAtMs: number) {
    this.group = holder.group;
    this.epoch = holder.epoch;
    this.nonce = holder.nonce;
    this.#redis = redis;
    this.#leaseMs = leaseMs;
    this.#now = now;
    this.#extend(askedAtMs);
    // A failed renewal is retried until the lease expires by the local clock.
    this.#renewing = repeatEvery(
      leaseMs / 3,
      () => this.#renew(),
      () => {},
    );
  }

  get held(): boolean {
    return !this.#lost.signal.aborted && this.#now() < this.#validUntilMs;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  fence(): WriterFence {
    if (!this.held) throw new DomainError('fenced', `This process does not lead group ${this.group} any more.`);
    return { group: this.group, epoch: this.epoch, nonce: this.nonce };
  }

  async release(): Promise<void> {
    this.#lose();
    const scriptKeys = [keyOf('lease', this.group), keyOf('epoch', this.group)];
    await runScript(this.#redis, 'release-lease', scriptKeys, [fenceText(this)]);
  }

  async #renew(): Promise<void> {
    const askedAtMs = this.#now();
    const renewed = await runScript(
      this.#redis,
      'renew-lease',
      [keyOf('lease', this.group)],
      [fenceText(this), this.#leaseMs],
    );
    if (renewed === 1) this.#extend(askedAtMs);
    else this.#lose();
  }

  // Measured from before the request was sent, so that the lease expires here before it expires in Redis.
  #extend(askedAtMs: number): void {
    this.#validUntilMs = askedAtMs + this.#leaseMs * (1 - CLOCK_DRIFT);
    clearTimeout(this.#expiry);
    this.#expiry = setTimeout(() => this.#lose(), Math.max(0, this.#validUntilMs - this.#now()));
  }

  #lose(): void {
    clearTimeout(this.#expiry);
    this.#validUntilMs = 0;
    void this.#renewing.stop();
    this.#lost.abort();
  }
}
