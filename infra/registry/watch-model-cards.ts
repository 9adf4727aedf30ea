// A gateway's local copy of all model cards. In: notifications, and a poll every second for missed ones. Out: cards without a
// round trip.
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { Redis } from 'ioredis';
import type { ModelCard } from '../messages/model-card.ts';
import { connectRedis } from '../redis/connect.ts';
import { keyOf, singleKeys } from '../redis/keys.ts';
import { repeatEvery } from '../timing/repeat-every.ts';

export interface ModelCards {
  /** The card from the local copy; null if no worker serves the model. At most a second old, unless Redis is unreachable. */
  get(name: string): ModelCard | null;
  /** All cards, by name. */
  list(): readonly ModelCard[];
  close(): Promise<void>;
}

interface KnownCard {
  readonly digest: string;
  readonly card: ModelCard;
}

const POLL_MS = 1_000;

/** Reads all cards and keeps them current, over two connections. Waits for Redis, until `giveUp` is aborted. */
export async function watchModelCards(options: {
  readonly url: string;
  readonly giveUp?: AbortSignal;
}): Promise<ModelCards> {
  const connect = (name: string) => connectRedis({ url: options.url, role: 'durable', name, retry: 'forever' });
  const [subscription, commands] = [connect('cards-sub'), connect('cards')];
  let known: ReadonlyMap<string, KnownCard> = new Map();
  let refreshing = Promise.resolve();
  const refresh = (): Promise<void> => {
    refreshing = refreshing.then(async () => {
      known = await readCards(commands, known);
    });
    return refreshing;
  };
  // A failed poll is not retried: the next one follows, and the local copy stays valid until then.
  const ignore = (): void => {
    refreshing = Promise.resolve();
  };
  const disconnect = (): void => {
    subscription.disconnect();
    commands.disconnect();
  };
  options.giveUp?.addEventListener('abort', disconnect, { once: true });
  subscription.on('message', () => void refresh().catch(ignore));
  await subscription.subscribe(singleKeys.cards);
  await refresh();
  const looking = repeatEvery(POLL_MS, refresh, ignore);
  return {
    get: (name) => known.get(name)?.card ?? null,
    list: () => [...known.values()].map(({ card }) => card).sort((a, b) => (a.name < b.name ? -1 : 1)),
    close: async () => {
      disconnect();
      await looking.stop();
    },
  };
}

async function readCards(redis: Redis, known: ReadonlyMap<string, KnownCard>): Promise<ReadonlyMap<string, KnownCard>> {
  const names = await redis.zrange(singleKeys.models, 0, '-1');
  const cards = await Promise.all(names.map((name) => readCard(redis, name, known.get(name))));
  return new Map(names.flatMap((name, index) => (cards[index] ? [[name, cards[index]] as const] : [])));
}

/** The current card; null if no worker serves the model. */
export async function readModelCard(redis: Redis, name: string): Promise<ModelCard | null> {
  return (await readCard(redis, name, undefined))?.card ?? null;
}

async function readCard(redis: Redis, name: string, known: KnownCard | undefined): Promise<KnownCard | null> {
  const digest = await redis.hget(keyOf('model', name), 'digest');
  if (digest === null) return null;
  if (digest === known?.digest) return known;
  const packed = await redis.hgetBuffer(keyOf('model', name), 'card');
  return packed === null ? null : { digest, card: JSON.parse((await promisify(gunzip)(packed)).toString('utf8')) };
}
