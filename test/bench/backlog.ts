// 10,000 requests of 50 tenants that wait at a real gateway, twice over, as JSON: memory of gateway and Redis before, with and
// after them, and whether the fairness bound holds while they are taken and answered. The clients have left (Conclave-Resume);
// the worker is a script with 32 slots whose answers stop anywhere. Throws when the bound is broken; asserts no time.
// Run: node dist/test/bench/backlog.js
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { countPromptTokens } from '../../infra/messages/generation-request.ts';
import { encodeQueueName } from '../../infra/queue/queue-name.ts';
import { ENDED_TTL_MS } from '../../infra/redis/keys.ts';
import { takeNext } from '../../workers/queue/take-next.ts';
import { FairnessMonitor } from '../fair-model.ts';
import { WORD_CARD } from '../gateway-parts/word-worker.ts';
import { eventually, FINISHED, type Leader, type QueueFixture, tokensEvent } from '../queue-fixture.ts';
import { benchGateway, type GatewayBench } from './gateway-process.ts';

const REQUESTS = 10_000;
const CALLERS = 64;
const SLOTS = 32;
const CARD = { ...WORD_CARD, maxContext: 8_192 };
const TENANTS = Array.from({ length: 50 }, (_, index) => `tenant-${index}`);
/** About 4 KB of JSON. */
const PROMPT = Array.from({ length: 1_000 }, (_, index) => (index * 7_919) % CARD.vocab);
const clients = new Agent({ connections: CALLERS });

/** The same numbers in every run. */
function* pseudoRandom(): Generator<number, never> {
  for (let state = 1; ; ) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    yield (state >>> 8) / 2 ** 24;
  }
}

interface Memory {
  readonly gatewayResidentBytes: number;
  readonly gatewayHeapBytes: number;
  readonly redisBytes: number;
  readonly redisKeys: number;
}

async function readMemory(fixture: QueueFixture, url: string, operator: string): Promise<Memory> {
  const answer = await request(`${url}/metrics`, { headers: { authorization: `Bearer ${operator}` } });
  const text = await answer.body.text();
  const metric = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
  return {
    gatewayResidentBytes: metric('process_resident_memory_bytes'),
    gatewayHeapBytes: metric('nodejs_heap_size_used_bytes'),
    redisBytes: Number(/^used_memory:(\d+)/m.exec(await fixture.redis.info('memory'))?.[1]),
    redisKeys: await fixture.redis.dbsize(),
  };
}

/** Queues a request and hangs up once it is accepted. Answers stop after `maxTokens` at the latest. */
async function queueOne(url: string, key: string, maxTokens: number): Promise<void> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'conclave-resume': '600' };
  const body = JSON.stringify({ model: CARD.name, prompt: PROMPT, max_tokens: maxTokens, stream: true });
  const answer = await request(`${url}/v1/completions`, { method: 'POST', headers, body, dispatcher: clients });
  if (answer.statusCode !== 200) throw new Error(`${answer.statusCode}: ${await answer.body.text()}`);
  answer.body.on('error', () => {});
  answer.body.destroy();
}

async function queueAll(url: string, keys: readonly string[]): Promise<void> {
  const random = pseudoRandom();
  let left = REQUESTS;
  const caller = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const tenant = left % keys.length;
      // Some tenants ask for little, some for a hundred times as much.
      const largest = [20, 200, 2_000][tenant % 3] ?? 0;
      await queueOne(url, keys[tenant] ?? '', 1 + Math.floor(random.next().value * largest));
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
}

interface Running {
  readonly id: string;
  readonly queue: string;
  readonly maxTokens: number;
}

/** Takes and answers all that wait, SLOTS at a time, and holds the bound against every step. Returns how many there were. */
async function answerAll(leader: Leader, reservations: ReadonlyMap<string, number>): Promise<number> {
  const witness = new FairnessMonitor(SLOTS, new Map([...reservations.keys()].map((queue) => [queue, 1])));
  for (const [queue, tokens] of reservations) witness.reserve(queue, tokens);
  const random = pseudoRandom();
  const waiting = new Map([...reservations.keys()].map((queue) => [queue, REQUESTS / TENANTS.length]));
  const running: Running[] = [];
  const check = () => {
    const broken = witness.check(new Set([...waiting].filter(([, count]) => count > 0).map(([queue]) => queue)));
    if (broken !== null) throw new Error(`The fairness bound is broken: ${broken}`);
  };
  for (let taken = 0; ; ) {
    const next = running.length < SLOTS ? await takeNext(leader.parts) : null;
    if (next !== null) {
      const { id, maxTokens } = next.request;
      const queue = encodeQueueName(next.request);
      running.push({ id, queue, maxTokens });
      waiting.set(queue, (waiting.get(queue) ?? 0) - 1);
      witness.serve(queue, countPromptTokens(next.request));
      taken += 1;
    } else {
      const [one] = running.splice(Math.floor(random.next().value * running.length), 1);
      if (one === undefined) return taken;
      witness.serve(one.queue, await answer(leader, one, random.next().value));
    }
    check();
  }
}

async function answer({ writer, parts }: Leader, { id, maxTokens }: Running, part: number): Promise<number> {
  const tokens = 1 + Math.floor(part * maxTokens);
  await writer.append([{ id, seq: 1, event: tokensEvent(1, tokens) }]);
  await writer.finish(id, 2, FINISHED);
  await parts.owned.done(id, null);
  return tokens;
}

/** Largest reservation of each queue that waits. */
async function readReservations({ redis }: QueueFixture): Promise<ReadonlyMap<string, number>> {
  const largest = new Map<string, number>();
  for (const tenant of TENANTS) {
    const queue = encodeQueueName({ model: CARD.name, tenant });
    const ids = await redis.zrange(`cv:waiting:${queue}`, '0', '-1');
    const reserved = await Promise.all(ids.map((id) => redis.hget(`cv:job:${id}`, 'reserved')));
    largest.set(queue, Math.max(...reserved.map(Number)));
  }
  return largest;
}

/** Skips the ten minutes for which ended requests are kept. */
async function letExpire({ redis }: QueueFixture): Promise<void> {
  for (const family of ['job', 'out', 'req']) {
    const keys = await redis.keys(`cv:${family}:*`);
    for (const key of keys) {
      if ((await redis.pttl(key)) <= ENDED_TTL_MS) await redis.pexpire(key, 1);
    }
  }
  await eventually(async () => (await redis.keys('cv:out:*')).length === 0);
}

async function bench({ fixture, gateway, makeKeys }: GatewayBench): Promise<object> {
  const keys = await makeKeys(TENANTS, 'chat');
  const [operator = ''] = await makeKeys(['ops'], 'admin:read');
  const memory = async () => {
    await delay(2_000);
    return readMemory(fixture, gateway.url, operator);
  };
  const leader = await fixture.lead('g', CARD.name);
  const before = await memory();
  const rounds: object[] = [];
  for (let round = 0; round < 2; round += 1) {
    await queueAll(gateway.url, keys);
    const queued = await memory();
    const answered = await answerAll(leader, await readReservations(fixture));
    if (answered !== REQUESTS) throw new Error(`${answered} of ${REQUESTS} requests were there to be answered`);
    const ended = await memory();
    await letExpire(fixture);
    rounds.push({ queued, ended, tenMinutesLater: await memory() });
  }
  return { requests: REQUESTS, tenants: TENANTS.length, slots: SLOTS, fairnessBoundHeld: true, before, rounds };
}

await benchGateway(CARD, REQUESTS, bench).finally(() => clients.destroy());
