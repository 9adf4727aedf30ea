// Nodes of a group may be killed, frozen or cut off from the exchange at any moment of a stream: the client gets the text of
// the undisturbed run, every id once and in order.
import assert from 'node:assert/strict';
import { statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { request } from 'undici';
import type { GroupPlan } from '../../infra/messages/group-plan.ts';
import type { NodeReport } from '../../infra/registry/node-heartbeats.ts';
import { openStream, Transcript } from '../chat-stream.ts';
import { type ClusterPart, eventually, longChatBody, sharedCluster, type TestCluster } from '../start-cluster.ts';
import { appendOnlyFile } from '../start-redis.ts';

interface GroupSummary {
  readonly members: readonly string[];
  readonly waitsFor: string;
}

interface ExpertsView {
  readonly experts: readonly {
    readonly layer: number;
    readonly expert: number;
    readonly heldBy: readonly string[];
    readonly computedBy: readonly string[];
  }[];
  readonly load: readonly (readonly number[])[] | null;
}

const MAX_TOKENS = 1500;
/** Ids that have arrived when the blow falls. */
const SOME = 50;
/** What the durable Redis forgets: less than writers remember. */
const LOST_MS = 700;

describe('decentralized nodes that all hold everything', () => {
  const cluster = sharedCluster({ nodes: 3, worker: { topology: 'decentralized' } });
  const strike = killsIn(cluster, 3);

  test('one that does not lead is killed', async () => {
    await strike(async () => cluster().kill(await memberOf(cluster())));
  });

  test('the leader is killed', async () => {
    await strike(async () => cluster().kill(await leaderOf(cluster())));
  });

  test('one is frozen, left out, and does no harm when it wakes', async () => {
    const member = await memberOf(cluster());
    const pid = cluster().pid(member);
    await strike(async () => void process.kill(pid, 'SIGSTOP'));
    await strike(async () => void process.kill(pid, 'SIGCONT'), 2);
    await allTakePart(cluster(), 3);
  });

  test('the exchange is killed', async () => {
    await strike(() => cluster().kill('exchange'));
  });

  test('the exchange and a node are killed at once', async () => {
    const member = await memberOf(cluster());
    await strike(async () => void (await Promise.all([cluster().kill('exchange'), cluster().kill(member)])));
  });

  for (const server of ['redis', 'exchange'] as const) {
    test(`${server} does not answer for ten seconds`, async () => {
      await strike(async () => {
        const pid = cluster().pid(server);
        process.kill(pid, 'SIGSTOP');
        await delay(10_000);
        process.kill(pid, 'SIGCONT');
      });
    });
  }

  test('the durable Redis loses the last part of its file', async () => {
    await strike(() => killTwoNodes(cluster()));
  });

  test('operators see who holds and computes what, its load, and how it came to that', async () => {
    await allTakePart(cluster(), 3);
    const { experts, load } = (await cluster().admin('GET', 'groups/main/experts')) as ExpertsView;
    assert.deepEqual(
      experts.map(({ layer, expert }) => `${layer} ${expert}`),
      ['0 0', '0 1', '0 2', '0 3', '1 0', '1 1', '1 2', '1 3'],
    );
    for (const { heldBy, computedBy } of experts) assert.deepEqual([heldBy.length, computedBy.length], [3, 3]);
    assert.deepEqual(load === null ? null : load.map((layer) => layer.length), [4, 4]);
    const { data } = (await cluster().admin('GET', 'groups/main/plans?limit=100')) as { data: readonly GroupPlan[] };
    const epochs = data.map(({ epoch }) => epoch);
    assert.deepEqual(
      epochs,
      epochs.toSorted((a, b) => b - a),
      'newest first',
    );
    const reasons = data.map(({ reason }) => reason).join('; ');
    for (const part of [/node-\d joined/, /node-\d left/, /the leader is new/]) assert.match(reasons, part);
  });
});

describe('centralized nodes that each hold a part', () => {
  const cluster = sharedCluster({
    nodes: 2,
    worker: { topology: 'centralized', maxExperts: 2 },
    stream: { keepAliveSeconds: 0.3 },
  });
  const strike = killsIn(cluster, 2);

  test('the only holder of experts is frozen: the stream waits, visibly, until it is back', async () => {
    const pid = cluster().pid(await memberOf(cluster()));
    const seen = await strike(async () => {
      process.kill(pid, 'SIGSTOP');
      await eventually(
        'operators see it',
        () => groupOf(cluster()),
        ({ waitsFor }) => waitsFor.includes('to load experts'),
      );
      // Long enough for a keep-alive.
      await delay(1_000);
      process.kill(pid, 'SIGCONT');
    });
    assert.ok(seen.comments.includes('waiting for nodes'), seen.comments.join());
  });

  test('a stream is cancelled while its step waits for a node', async () => {
    const pid = cluster().pid(await memberOf(cluster()));
    await allTakePart(cluster(), 2);
    const { url, apiKey: key } = cluster();
    const transcript = new Transcript();
    const stream = await openStream(
      { method: 'POST', url: `${url}/v1/chat/completions`, key, body: longChatBody(MAX_TOKENS) },
      transcript,
    );
    await stream.read(() => transcript.ids.length > SOME);
    process.kill(pid, 'SIGSTOP');
    try {
      await eventually(
        'the step waits',
        () => groupOf(cluster()),
        ({ waitsFor }) => waitsFor.includes('to load experts'),
      );
      const headers = { authorization: `Bearer ${key}` };
      const answer = await request(`${url}/v1/streams/${stream.id}`, { method: 'DELETE', headers });
      assert.equal(answer.statusCode, 200, await answer.body.text());
      await eventually(
        'the answer has ended',
        async () => (await cluster().admin('GET', `jobs/${stream.id}`)) as { readonly state: string },
        ({ state }) => state === 'ended',
      );
      await stream.read();
      assert.deepEqual([transcript.error, transcript.done], ['cancelled', false]);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  });

  test('the only holder of experts is killed: the stream waits until it is back', async () => {
    await strike(async () => cluster().kill(await memberOf(cluster())));
  });

  test('the leader is killed', async () => {
    await strike(async () => cluster().kill(await leaderOf(cluster())));
  });
});

/** `count`: nodes that take part when nothing has happened to them. */
function killsIn(cluster: () => TestCluster, count: number) {
  let free: Transcript;
  const open = (transcript: Transcript) => {
    const { url, apiKey: key } = cluster();
    return openStream(
      { method: 'POST', url: `${url}/v1/chat/completions`, key, body: longChatBody(MAX_TOKENS) },
      transcript,
    );
  };
  before(async () => {
    free = new Transcript();
    await (await open(free)).read();
    assert.ok(free.done && free.ids.length > 2 * SOME, free.error);
  });
  /** Opens a stream, strikes in the middle of it, reads on and compares. */
  const strike = async (blow: () => Promise<void>, nodes = count): Promise<Transcript> => {
    await allTakePart(cluster(), nodes);
    const transcript = new Transcript();
    const stream = await open(transcript);
    await stream.read(() => transcript.ids.length > SOME);
    const struckAtMs = Date.now();
    await Promise.all([blow(), stream.read()]);
    assert.deepEqual([transcript.error, transcript.done], ['', true]);
    assert.equal(transcript.text, free.text);
    assert.deepEqual(transcript.ids, free.ids);
    const { endedAtMs } = (await cluster().admin('GET', `jobs/${stream.id}`)) as { readonly endedAtMs: number };
    assert.ok(endedAtMs > struckAtMs, 'the blow fell in mid-stream');
    return transcript;
  };
  return strike;
}

/** What a power loss does: the server ends, and its file lacks what was written last. It cannot write while it is cut. */
async function killTwoNodes(cluster: TestCluster): Promise<void> {
  const file = appendOnlyFile(join(cluster.home, 'redis-durable'));
  const length = statSync(file).size;
  await delay(LOST_MS);
  process.kill(cluster.pid('redis'), 'SIGSTOP');
  assert.ok(statSync(file).size > length, 'something was written meanwhile');
  truncateSync(file, length);
  await cluster.kill('redis');
}

async function nodesOf(cluster: TestCluster): Promise<readonly NodeReport[]> {
  return ((await cluster.admin('GET', 'nodes')) as { readonly data: readonly NodeReport[] }).data;
}

async function groupOf(cluster: TestCluster): Promise<GroupSummary> {
  const { data } = (await cluster.admin('GET', 'groups')) as { readonly data: readonly GroupSummary[] };
  return data[0] ?? { members: [], waitsFor: '' };
}

async function allTakePart(cluster: TestCluster, nodes: number): Promise<void> {
  await eventually(
    `${nodes} nodes take part`,
    () => groupOf(cluster),
    ({ members, waitsFor }) => members.length === nodes && waitsFor === '',
  );
}

async function leaderOf(cluster: TestCluster): Promise<ClusterPart> {
  return partOf((await nodesOf(cluster)).find(({ role }) => role === 'leader')?.id);
}

async function memberOf(cluster: TestCluster): Promise<ClusterPart> {
  return partOf((await nodesOf(cluster)).find(({ role }) => role === 'member')?.id);
}

function partOf(nodeId: string | undefined): ClusterPart {
  const number = Number(nodeId?.split('-')[1]);
  return number === 1 ? 'worker' : `worker-${number}`;
}
