// A worker without a model: real lease, queue, locks and token writer; it answers every request with the given words.
import { setTimeout as delay } from 'node:timers/promises';
import type { ModelCard } from '../../infra/messages/model-card.ts';
import { connectRedis } from '../../infra/redis/connect.ts';
import { publishModelCard } from '../../infra/registry/publish-model-card.ts';
import { acquireLease } from '../../workers/cluster/lease.ts';
import { openCancelSignals } from '../../workers/queue/cancel-signals.ts';
import { openGenerationSource } from '../../workers/queue/generation-source.ts';
import type { TakenGeneration } from '../../workers/queue/taken-generation.ts';
import { openTokenWriter } from '../../workers/tokens/append-tokens.ts';
import { eventually } from '../start-cluster.ts';
import { byteLevelJson, filesOf } from '../unit/tokenizer/tiny-tokenizers.ts';
import { tokens } from './scripted-worker.ts';

export const WORD_CARD: ModelCard = {
  name: 'words',
  family: 'test',
  created: 1_700_000_000,
  maxContext: 512,
  vocab: 400,
  dtype: 'f32',
  eosTokenIds: [],
  description: 'Says what it is told to say.',
  tokenizer: filesOf(byteLevelJson(), {
    chatTemplate: "{% for m in messages %}<|im_start|>{{ m['role'] }} {{ m['content'] }}<|im_end|>{% endfor %}",
  }),
};

export interface WordWorker {
  /** Lets the worker write this many further words of each request; without a call it writes them all at once. */
  allow(words: number): void;
  /** Ids that the group was told to stop. */
  cancelled(): readonly string[];
  stop(): Promise<void>;
}

/** Leads a group and serves `words` until stopped. `paced`: writes only what `allow` has allowed. */
export async function startWordWorker(
  url: string,
  words: readonly string[],
  options: { readonly group?: string; readonly paced?: boolean } = {},
): Promise<WordWorker> {
  const group = options.group ?? 'group-1';
  const redis = connectRedis({ url, role: 'durable', name: 'worker', retry: 'forever' });
  await publishModelCard(redis, WORD_CARD);
  const lease = await leadSoon(redis, group);
  const fence = () => lease.fence();
  const source = openGenerationSource({ url, model: WORD_CARD.name, group, fence });
  const writer = openTokenWriter({ url, fence });
  const state = { allowed: options.paced ? 0 : Number.POSITIVE_INFINITY, stopped: false };
  const answer = async ({ request, lastSeq }: TakenGeneration) => {
    for (let at = lastSeq; at < words.length; at += 1) {
      while (at >= state.allowed && !state.stopped) await delay(2);
      if (state.stopped) return;
      const event = tokens(words[at] ?? '', { finish: at + 1 === words.length ? 'stop' : null });
      const dropped = await writer.append([{ id: request.id, seq: at + 1, event }]);
      if (dropped.length > 0) return source.done(request.id, null);
    }
    await writer.finish(request.id, words.length + 1, { outcome: 'finished', error: null, cachedTokens: 0 });
    await source.done(request.id, null);
  };
  const signals = await openCancelSignals({ url, group });
  const told = new Set<string>();
  const running: Promise<void>[] = [];
  const work = async () => {
    for (const taken of await source.recover()) running.push(answer(taken));
    while (!state.stopped) {
      for (const id of signals.drain()) told.add(id);
      const taken = await source.takeNext(true);
      if (taken === null) await source.waitForWork(20);
      else running.push(answer(taken));
    }
  };
  const working = work();
  return {
    allow: (count) => {
      state.allowed += count;
    },
    cancelled: () => [...told],
    stop: async () => {
      if (state.stopped) return;
      state.stopped = true;
      await working;
      await Promise.all(running);
      await signals.close();
      await writer.close();
      await source.close();
      await lease.release();
      redis.disconnect();
    },
  };
}

/** The same for a test with a gateway, as soon as the gateway serves the model: it learns of models a moment after they are published. */
export async function serveWords(
  gatewayUrl: string,
  ...worker: Parameters<typeof startWordWorker>
): Promise<WordWorker> {
  const started = await startWordWorker(...worker);
  const readiness = async () => (await fetch(`${gatewayUrl}/readyz`)).status;
  try {
    await eventually(`${gatewayUrl} serves the model`, readiness, (status) => status === 200);
  } catch (cause) {
    await started.stop();
    throw cause;
  }
  return started;
}

async function leadSoon(redis: Parameters<typeof publishModelCard>[0], group: string) {
  for (let tries = 0; tries < 200; tries += 1) {
    const lease = await acquireLease({ redis, group, nodeId: 'node-1', leaseMs: 3000 }, 0);
    if (lease !== null) return lease;
    await delay(25);
  }
  throw new Error('No lease within five seconds.');
}
