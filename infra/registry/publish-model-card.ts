// Publishes the models that workers serve. In: a model card. Out: `cv:model:<name>`, compressed, and written only when it has
// changed: tokenizer files are megabytes, and every write to the durable Redis goes to its append-only file.
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Redis } from 'ioredis';
import type { ModelCard } from '../messages/model-card.ts';
import { keyOf, singleKeys } from '../redis/keys.ts';
import { askRedis } from '../redis/script-errors.ts';
import { runScript } from '../redis/scripts.ts';
import { type Repeating, repeatEvery } from '../timing/repeat-every.ts';

/** A card lives this long after its last publication. */
export const MODEL_CARD_TTL_MS = 30_000;

/** Publishes a card, or extends the expiry of an identical one; notifies gateways of new content. */
export async function publishModelCard(redis: Redis, card: ModelCard): Promise<void> {
  const json = JSON.stringify(card);
  const digest = createHash('sha256').update(json).digest('hex');
  const key = keyOf('model', card.name);
  if ((await askRedis(redis.hget(key, 'digest'))) !== digest) {
    const packed = await promisify(gzip)(json);
    const stored = redis.multi().hset(key, 'digest', digest, 'card', packed).pexpire(key, MODEL_CARD_TTL_MS);
    await askRedis(stored.publish(singleKeys.cards, card.name).exec());
  }
  await askRedis(redis.pexpire(key, MODEL_CARD_TTL_MS));
  await runScript(redis, 'mark-alive', [singleKeys.models], [card.name, MODEL_CARD_TTL_MS]);
}

/** Publishes now (throws when that fails) and then keeps the card alive until stopped. */
export async function startPublishing(
  redis: Redis,
  card: ModelCard,
  onProblem: (problem: unknown) => void,
): Promise<Repeating> {
  await publishModelCard(redis, card);
  return repeatEvery(MODEL_CARD_TTL_MS / 3, () => publishModelCard(redis, card), onProblem);
}
