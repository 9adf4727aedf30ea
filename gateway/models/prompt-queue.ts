// A bounded, fair queue of prompts to be encoded. Short and long prompts have separate queues, so that a long one never blocks a
// short one; within each queue, tenants take turns. Must not encode.
import { DomainError } from '../../infra/errors/domain-error.ts';

export interface WaitingPrompt {
  readonly tenant: string;
  readonly bytes: number;
}

export interface QueueBounds {
  /** Prompts up to this size are short. */
  readonly shortBytes: number;
  readonly tenantBytes: number;
  readonly tenantPrompts: number;
  readonly totalBytes: number;
  readonly totalPrompts: number;
}

/** A tenant's only prompt is always accepted, even if it alone exceeds the bounds. */
export const QUEUE_BOUNDS: QueueBounds = {
  shortBytes: 32 * 1024,
  tenantBytes: 16 * 1024 * 1024,
  tenantPrompts: 2048,
  totalBytes: 64 * 1024 * 1024,
  totalPrompts: 8192,
};

/** Encoding takes about a second per megabyte; a client comes back when a few have been done. */
const RETRY_AFTER_SECONDS = 2;

interface Load {
  readonly bytes: number;
  readonly prompts: number;
}

const NOTHING: Load = { bytes: 0, prompts: 0 };

export class PromptQueue<Item extends WaitingPrompt> {
  readonly #bounds: QueueBounds;
  readonly #short = new TurnTaking<Item>();
  readonly #long = new TurnTaking<Item>();
  readonly #loads = new Map<string, Load>();
  #total = NOTHING;

  constructor(bounds: QueueBounds) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#total.prompts;
  }

  /** @throws DomainError `queue_full` when the tenant has too much waiting, `unavailable` when all of them have. */
  add(item: Item): void {
    const { tenantBytes, tenantPrompts, totalBytes, totalPrompts } = this.#bounds;
    const retry = { retryAfterSeconds: RETRY_AFTER_SECONDS };
    if (!hasRoom(this.#loadOf(item.tenant), item, { bytes: tenantBytes, prompts: tenantPrompts })) {
      throw new DomainError(
        'queue_full',
        'Too many of your prompts are waiting to be tokenized. Try again later.',
        retry,
      );
    }
    if (!hasRoom(this.#total, item, { bytes: totalBytes, prompts: totalPrompts })) {
      throw new DomainError('unavailable', 'Too many prompts are waiting to be tokenized. Try again later.', retry);
    }
    this.#count(item, 1);
    (item.bytes <= this.#bounds.shortBytes ? this.#short : this.#long).add(item);
  }

  /** The next short prompt. */
  takeShort(): Item | undefined {
    return this.#counted(this.#short.take());
  }

  /** The next long prompt, or a short one if no long one waits. */
  takeAny(): Item | undefined {
    return this.#counted(this.#long.take() ?? this.#short.take());
  }

  #counted(item: Item | undefined): Item | undefined {
    if (item !== undefined) this.#count(item, -1);
    return item;
  }

  #count({ tenant, bytes }: Item, sign: 1 | -1): void {
    const add = (load: Load): Load => ({ bytes: load.bytes + sign * bytes, prompts: load.prompts + sign });
    this.#total = add(this.#total);
    const load = add(this.#loadOf(tenant));
    if (load.prompts === 0) this.#loads.delete(tenant);
    else this.#loads.set(tenant, load);
  }

  #loadOf(tenant: string): Load {
    return this.#loads.get(tenant) ?? NOTHING;
  }
}

function hasRoom(load: Load, { bytes }: WaitingPrompt, bounds: Load): boolean {
  return load.prompts === 0 || (load.prompts < bounds.prompts && load.bytes + bytes <= bounds.bytes);
}

/** First come, first served within a tenant; tenants in turn. */
class TurnTaking<Item extends WaitingPrompt> {
  /** The tenant whose turn it is comes first. */
  readonly #items = new Map<string, Item[]>();

  add(item: Item): void {
    const items = this.#items.get(item.tenant);
    if (items === undefined) this.#items.set(item.tenant, [item]);
    else items.push(item);
  }

  take(): Item | undefined {
    const [turn] = this.#items;
    if (turn === undefined) return undefined;
    const [tenant, items] = turn;
    const item = items.shift();
    this.#items.delete(tenant);
    if (items.length > 0) this.#items.set(tenant, items);
    return item;
  }
}
