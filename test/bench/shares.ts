// What another tenant's flood of long answers costs a short request, and what giving way to short requests costs the long
// answers, on the processes of `conclave start`, as JSON. Asserts nothing.
// Run: node dist/test/bench/shares.js
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, request } from 'undici';
import type { NodeReport } from '../../infra/registry/node-heartbeats.ts';
import { eventually, NEVER_END, startCluster, type TestCluster } from '../start-cluster.ts';

const FLOOD = 500;
const LONG_TOKENS = 900;
const SHORT_TOKENS = 1;
const ROUNDS = 5;
const ROUND_MS = 4_000;
const PAUSE_MS = 200;
const clients = new Agent({ connections: FLOOD + 1 });

async function ask(cluster: TestCluster, key: string, maxTokens: number, seed: number): Promise<void> {
  const messages = [{ role: 'user', content: `Number ${seed}?` }];
  const body = { model: 'tiny', messages, max_tokens: maxTokens, seed, logit_bias: NEVER_END };
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const url = `${cluster.url}/v1/chat/completions`;
  const answer = await request(url, { method: 'POST', headers, body: JSON.stringify(body), dispatcher: clients });
  const text = await answer.body.text();
  if (answer.statusCode !== 200) throw new Error(`${answer.statusCode}: ${text}`);
}

async function readStats(cluster: TestCluster): Promise<(name: string) => number> {
  const { data } = (await cluster.admin('GET', 'nodes')) as { readonly data: readonly NodeReport[] };
  return (name) => data[0]?.stats?.[name] ?? 0;
}

/** Times of short requests, one after another, in ms. */
async function askShortly(cluster: TestCluster, key: string, untilMs: number): Promise<number[]> {
  const times: number[] = [];
  for (const end = performance.now() + untilMs; performance.now() < end; await delay(PAUSE_MS)) {
    const start = performance.now();
    await ask(cluster, key, SHORT_TOKENS, times.length);
    times.push(performance.now() - start);
  }
  return times;
}

/** What the worker did while `work` ran. */
async function during(cluster: TestCluster, work: () => Promise<void>) {
  const before = await readStats(cluster);
  const start = performance.now();
  await work();
  // The numbers are those of the latest heartbeat.
  await delay(1_000);
  const after = await readStats(cluster);
  const seconds = (performance.now() - start) / 1_000;
  const grew = (name: string): number => after(name) - before(name);
  return {
    rate: grew('tokens') / seconds,
    stepMs: (1_000 * grew('stepSeconds')) / grew('steps'),
    gaveWay: grew('gaveWay'),
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function bench(cluster: TestCluster): Promise<object> {
  const short = await cluster.newTenant('short');
  await askShortly(cluster, short, ROUND_MS);
  const idle = median(await askShortly(cluster, short, ROUND_MS));
  for (let seed = 0; seed < FLOOD; seed += 1) void ask(cluster, cluster.apiKey, LONG_TOKENS, seed).catch(() => {});
  await eventually(
    'every place is taken',
    () => readStats(cluster),
    (stats) => stats('running') === 32,
  );
  const rounds: {
    readonly times: readonly number[];
    readonly ratio: number;
    readonly stepMs: number;
    readonly gaveWay: number;
  }[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const alone = await during(cluster, () => delay(ROUND_MS));
    const times: number[] = [];
    const beside = await during(cluster, async () => void times.push(...(await askShortly(cluster, short, ROUND_MS))));
    rounds.push({ times, ratio: beside.rate / alone.rate, stepMs: alone.stepMs, gaveWay: beside.gaveWay });
  }
  const flooded = median(rounds.flatMap(({ times }) => times));
  return {
    idle_ms: idle,
    flooded_ms: flooded,
    slower: flooded / idle,
    step_ms: median(rounds.map(({ stepMs }) => stepMs)),
    throughput: median(rounds.map(({ ratio }) => ratio)),
    short_requests: rounds.reduce((sum, { times }) => sum + times.length, 0),
    gave_way: rounds.reduce((sum, { gaveWay }) => sum + gaveWay, 0),
  };
}

const closing: (() => Promise<void>)[] = [];
try {
  const cluster = await startCluster({ after: (close) => void closing.push(close) });
  console.log(JSON.stringify(await bench(cluster), null, 2));
} finally {
  await clients.destroy();
  for (const close of closing.reverse()) await close();
}
