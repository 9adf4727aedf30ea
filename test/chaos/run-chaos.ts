// `npm run chaos -- --nodes 3 --rounds 30 --topology decentralized [--victim leader]`: the demo model counts while nodes are killed, one a round, at
// random moments. Every answer must be the undisturbed one, every id once and in order. Prints the stalls that the client saw.
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { request } from 'undici';
import { type ReadyFile, runCluster } from '../../infra/cli/supervise/run-cluster.ts';
import { readConfig } from '../../infra/config/read-config.ts';
import { openStream, Transcript } from '../chat-stream.ts';
import { eventually, readReadyFile } from '../start-cluster.ts';

interface Round {
  readonly victim: 'leader' | 'member';
  /** Longest silence that the client saw, in ms. */
  readonly stallMs: number;
  /** Of it, what came after the loss was noticed: a missed deadline, or a new leader. */
  readonly afterDetectionMs: number;
}

interface Group {
  readonly leader: string | null;
  readonly members: readonly string[];
  readonly waitsFor: string;
}

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '30' },
    topology: { type: 'string', default: 'auto' },
    seed: { type: 'string', default: '1' },
    tokens: { type: 'string', default: '700' },
    victim: { type: 'string', default: 'any' },
  },
});
const nodes = Number(values.nodes);

async function main(): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'cv-chaos-'));
  const configFile = join(home, 'conclave.yaml');
  writeFileSync(configFile, JSON.stringify({ nodes, worker: { topology: values.topology, speculation: 'off' } }));
  const config = readConfig({ config: configFile, home, port: 0 }, {});
  const cluster = await runCluster({ config, configFile, say });
  try {
    await killRepeatedly(home, cluster.ready);
  } finally {
    await cluster.stop();
    rmSync(home, { recursive: true, force: true });
  }
}

async function killRepeatedly(home: string, ready: ReadyFile): Promise<void> {
  const free = new Transcript();
  await (await count(ready, free)).read();
  assert.ok(free.done, free.error);
  say(`undisturbed: ${free.ids.length} entries, ${free.text.slice(0, 60)} … ${free.text.slice(-40)}`);
  const random = generator(Number(values.seed));
  const rounds: Round[] = [];
  for (let round = 1; round <= Number(values.rounds); round += 1) {
    const done = await strike(home, ready, free, random);
    rounds.push(done);
    const { victim, stallMs, afterDetectionMs } = done;
    say(
      `${round}: ${victim} killed; silence ${stallMs.toFixed(0)} ms, ${afterDetectionMs.toFixed(0)} ms of it after detection`,
    );
  }
  for (const victim of ['member', 'leader'] as const) report(victim, rounds);
  console.log(`${rounds.length} answers, all as undisturbed, on ${nodes} nodes (${values.topology})`);
}

async function strike(home: string, ready: ReadyFile, free: Transcript, random: () => number): Promise<Round> {
  const group = await eventually(
    'all nodes take part',
    () => readGroup(ready),
    ({ members, waitsFor }) => members.length === nodes && waitsFor === '',
  );
  const transcript = new Transcript();
  const stream = await count(ready, transcript);
  const when = Math.floor(random() * free.ids.length * 0.8);
  await stream.read(() => transcript.ids.length > when);
  const victims = group.members.filter((id) => values.victim === 'any' || roleOf(id, group) === values.victim);
  const node = victims[Math.floor(random() * victims.length)] ?? '';
  const { pids } = readReadyFile(home);
  const part = node === 'node-1' ? 'worker' : node.replace('node', 'worker');
  const struckAtMs = Date.now();
  process.kill(pids[part] ?? -1, 'SIGKILL');
  let [lastMs, stallMs, resumedAtMs] = [struckAtMs, 0, struckAtMs];
  await stream.read(() => {
    const nowMs = Date.now();
    if (nowMs - lastMs > stallMs) [stallMs, resumedAtMs] = [nowMs - lastMs, nowMs];
    lastMs = nowMs;
    return transcript.done || transcript.error !== '';
  });
  assert.equal(transcript.error, '');
  assert.equal(transcript.text, free.text);
  assert.deepEqual(transcript.ids, free.ids);
  const noticedAtMs = detectedAfterMs(home, struckAtMs);
  return {
    victim: roleOf(node, group),
    stallMs,
    afterDetectionMs: noticedAtMs === null ? stallMs : Math.max(0, resumedAtMs - noticedAtMs),
  };
}

function roleOf(node: string, group: Group): Round['victim'] {
  return node === group.leader ? 'leader' : 'member';
}

/** When a worker first said that it missed a node, or that it leads now. */
function detectedAfterMs(home: string, struckAtMs: number): number | null {
  const lines = Array.from({ length: nodes }, (_, index) =>
    join(home, index === 0 ? 'worker.log' : `worker-${index + 1}.log`),
  )
    .flatMap((file) => readFileSync(file, 'utf8').trim().split('\n'))
    .map((line): { time?: number; msg?: string } => (line.startsWith('{') ? JSON.parse(line) : {}));
  const times = lines
    .filter(({ msg }) => msg === 'leading' || msg === 'a step failed and is repeated')
    .map(({ time = 0 }) => time)
    .filter((time) => time >= struckAtMs);
  return times.length === 0 ? null : Math.min(...times);
}

function count({ url, apiKey: key }: ReadyFile, transcript: Transcript) {
  const content = 'Count from 1 to 300.';
  const body = {
    model: 'demo',
    messages: [{ role: 'user', content }],
    stream: true,
    max_tokens: Number(values.tokens),
    temperature: 0,
  };
  return openStream({ method: 'POST', url: `${url}/v1/chat/completions`, key, body }, transcript);
}

async function readGroup({ url, adminKey }: ReadyFile): Promise<Group> {
  const { body } = await request(`${url}/admin/api/groups`, { headers: { authorization: `Bearer ${adminKey}` } });
  const { data } = (await body.json()) as { readonly data: readonly Group[] };
  return data[0] ?? { leader: null, members: [], waitsFor: '' };
}

function report(victim: Round['victim'], rounds: readonly Round[]): void {
  const of = rounds.filter((round) => round.victim === victim);
  if (of.length === 0) return;
  const line = (name: string, values: readonly number[]) => {
    const sorted = values.toSorted((a, b) => a - b);
    const at = (share: number) =>
      Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0);
    return `${name} median ${at(0.5)} ms, p95 ${at(0.95)} ms, longest ${at(1)} ms`;
  };
  console.log(
    `${victim} killed, ${of.length} times: ${line(
      'silence',
      of.map(({ stallMs }) => stallMs),
    )}`,
  );
  console.log(
    `  ${line(
      'after detection',
      of.map(({ afterDetectionMs }) => afterDetectionMs),
    )}`,
  );
}

/** Numbers in [0, 1), the same ones for a seed. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

await main();
