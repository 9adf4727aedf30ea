// Measures queue and streams on a Redis of its own, as JSON: enqueue latency at 64 callers with 4 KB prompts until 10,000
// requests of 50 tenants wait, admin pages over them, dispatch, and 2,000 streams through one follower.
// Run: node dist/test/bench/queue.js
import { setTimeout as delay } from 'node:timers/promises';
import type { GenerationQueue } from '../../gateway/queue/enqueue-generation.ts';
import type { StreamFollower } from '../../gateway/stream/follow-streams.ts';
import { listJobs } from '../../infra/queue/inspect-jobs.ts';
import { listQueues } from '../../infra/queue/inspect-queues.ts';
import { takeNext } from '../../workers/queue/take-next.ts';
import {
  FINISHED,
  type Leader,
  makeRequest,
  type QueueFixture,
  startQueueFixture,
  tokensEvent,
} from '../queue-fixture.ts';

const CALLERS = 64;
const REQUESTS = 10_000;
const TENANTS = 50;
const STREAMS = 2_000;
const ENTRIES = 50;
/** About 4 KB of text in a byte-pair vocabulary. */
const PROMPT = Array.from({ length: 1_000 }, (_, index) => (index * 7_919) % 50_000);

function percentiles(samples: readonly number[]): { p50: number; p99: number; max: number } {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (part: number): number => round(sorted[Math.floor(part * (sorted.length - 1))] ?? 0);
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

const round = (value: number): number => Math.round(value * 100) / 100;

async function timed(samples: number[], work: () => Promise<unknown>): Promise<void> {
  const startedAt = performance.now();
  await work();
  samples.push(performance.now() - startedAt);
}

/** 64 callers that only store the same bytes: what Redis, the client and this machine cost by themselves. */
async function benchPlainSet(fixture: QueueFixture): Promise<object> {
  const json = JSON.stringify(makeRequest({ prompts: [PROMPT] }));
  const samples: number[] = [];
  let left = REQUESTS;
  const caller = async (): Promise<void> => {
    for (; left > 0; ) {
      left -= 1;
      await timed(samples, () => fixture.redis.set('cv:req:plain', json, 'PX', 60_000));
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  return { callers: CALLERS, ms: percentiles(samples) };
}

/** No number is taken from the first calls of a process: these go to another model's queue. */
async function warmUp(queue: GenerationQueue): Promise<void> {
  const enqueue = (tenant: string) => {
    const request = makeRequest({ model: 'warm-up', tenant, prompts: [PROMPT] });
    return queue.enqueue({ request, waitingLimit: REQUESTS, idempotency: null });
  };
  for (let round = 0; round < 20; round += 1) {
    await Promise.all(Array.from({ length: CALLERS }, (_, index) => enqueue(`tenant-${index % TENANTS}`)));
  }
}

async function benchEnqueue(fixture: QueueFixture): Promise<object> {
  const queue = fixture.gatewayQueue();
  await warmUp(queue);
  const samples: number[] = [];
  let left = REQUESTS;
  const caller = async (): Promise<void> => {
    for (; left > 0; ) {
      left -= 1;
      const request = makeRequest({ tenant: `tenant-${left % TENANTS}`, prompts: [PROMPT] });
      await timed(samples, () => queue.enqueue({ request, waitingLimit: REQUESTS, idempotency: null }));
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: CALLERS }, caller));
  return {
    callers: CALLERS,
    ms: percentiles(samples),
    perSecond: round((REQUESTS / (performance.now() - startedAt)) * 1_000),
  };
}

async function benchAdmin(fixture: QueueFixture): Promise<object> {
  const [pages, lists]: [number[], number[]] = [[], []];
  let after: string | null = null;
  for (let count = 0; count < 40; count += 1) {
    await timed(pages, async () => {
      const page = await listJobs(fixture.redis, { state: 'waiting', queue: null }, { limit: 50, after });
      after = page.next;
    });
    await timed(lists, () => listQueues(fixture.redis));
  }
  return { waiting: REQUESTS, pageOf50Ms: percentiles(pages), queuesMs: percentiles(lists) };
}

async function benchTake(leader: Leader): Promise<object> {
  const samples: number[] = [];
  for (let count = 0; count < STREAMS; count += 1) await timed(samples, () => takeNext(leader.parts));
  return { oneAfterAnotherMs: percentiles(samples) };
}

async function benchStreams(fixture: QueueFixture, leader: Leader): Promise<object> {
  const follower = await fixture.follower();
  const ids = Object.keys(await fixture.redis.hgetall('cv:held:g'));
  globalThis.gc?.();
  const heapBefore = process.memoryUsage().heapUsed;
  const latencies: number[] = [];
  const sentAt = new Map<number, number>();
  const readings = ids.map((id) => readInOrder(follower, id, sentAt, latencies));
  await delay(1_000);
  globalThis.gc?.();
  const heapPerStream = Math.round((process.memoryUsage().heapUsed - heapBefore) / ids.length);
  const appends: number[] = [];
  const startedAt = performance.now();
  for (let seq = 1; seq <= ENTRIES; seq += 1) {
    sentAt.set(seq, performance.now());
    await timed(appends, () => leader.writer.append(ids.map((id) => ({ id, seq, event: tokensEvent(seq) }))));
  }
  for (const id of ids) await leader.writer.finish(id, ENTRIES + 1, FINISHED);
  await Promise.all(readings);
  return {
    streams: ids.length,
    entriesPerSecond: Math.round((ids.length * ENTRIES) / ((performance.now() - startedAt) / 1_000)),
    appendBatchMs: percentiles(appends),
    batchStartToConsumerMs: percentiles(latencies),
    heapBytesPerStream: heapPerStream,
  };
}

async function readInOrder(
  follower: StreamFollower,
  id: string,
  sentAt: ReadonlyMap<number, number>,
  latencies: number[],
): Promise<void> {
  let expected = 1;
  for await (const { seq } of follower.follow(id)) {
    if (seq !== expected) throw new Error(`${id}: expected entry ${expected}, got ${seq}`);
    expected += 1;
    const sent = sentAt.get(seq);
    if (sent !== undefined) latencies.push(performance.now() - sent);
  }
  if (expected !== ENTRIES + 2) throw new Error(`${id}: ended after entry ${expected - 1}`);
}

const closing: (() => Promise<void>)[] = [];
const fixture = await startQueueFixture({ after: (close) => void closing.push(close) });
try {
  const plainSet = await benchPlainSet(fixture);
  const enqueue = await benchEnqueue(fixture);
  const admin = await benchAdmin(fixture);
  const leader = await fixture.lead('g');
  const take = await benchTake(leader);
  const streams = await benchStreams(fixture, leader);
  console.log(JSON.stringify({ plainSet, enqueue, admin, take, streams }, null, 2));
} finally {
  for (const close of closing) await close();
}
