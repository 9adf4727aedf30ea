// Nodes of a group may be killed, frozen or cut off from the exchange at any moment of a stream: the client gets the text of
// the undisturbed run, every id once and in order.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { NodeReport } from '../../infra/registry/node-heartbeats.ts';
import { openStream, Transcript } from '../chat-stream.ts';
import { type ClusterPart, eventually, sharedCluster, storyOf, type TestCluster } from '../start-cluster.ts';

const MAX_TOKENS = 600;
/** Ids that have arrived when the blow falls. */
const SOME = 50;

describe('decentralized nodes that all hold everything', () => {
  const cluster = sharedCluster({ nodes: 3, worker: { topology: 'decentralized' } });
  const { undisturbed, strike } = strikes(cluster);

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
    await strike(async () => void process.kill(pid, 'SIGCONT'));
  });

  test('the exchange is killed', () => strike(() => cluster().kill('exchange')));

  test('the exchange and a node are killed at once', async () => {
    const member = await memberOf(cluster());
    await strike(async () => void (await Promise.all([cluster().kill('exchange'), cluster().kill(member)])));
  });

  test('what they computed was what any of them computes', async () => assert.ok((await undisturbed()).done));
});

describe('centralized nodes that each hold a part', () => {
  const cluster = sharedCluster({ nodes: 2, worker: { topology: 'centralized', maxExperts: 2 } });
  const { strike } = strikes(cluster);

  test('the only holder of experts is killed: the stream waits until it is back', async () => {
    const member = await memberOf(cluster());
    await strike(async () => {
      await cluster().kill(member);
    });
  });

  test('the leader is killed', async () => {
    await strike(async () => cluster().kill(await leaderOf(cluster())));
  });
});

function strikes(cluster: () => TestCluster) {
  let free: Transcript;
  const open = (transcript: Transcript) => {
    const { url, apiKey: key } = cluster();
    return openStream(
      { method: 'POST', url: `${url}/v1/chat/completions`, key, body: storyOf(MAX_TOKENS) },
      transcript,
    );
  };
  before(async () => {
    free = new Transcript();
    await (await open(free)).read();
    assert.ok(free.done && free.ids.length > 2 * SOME, free.error);
  });
  /** Opens a stream, strikes in the middle of it, reads on and compares. */
  const strike = async (blow: () => Promise<void>): Promise<void> => {
    await allTakePart(cluster());
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
  };
  return { strike, undisturbed: async () => free };
}

async function nodesOf(cluster: TestCluster): Promise<readonly NodeReport[]> {
  return ((await cluster.admin('GET', 'nodes')) as { readonly data: readonly NodeReport[] }).data;
}

async function allTakePart(cluster: TestCluster): Promise<void> {
  await delay(0);
  await eventually(
    'one leader',
    () => nodesOf(cluster),
    (nodes) => nodes.filter(({ role }) => role === 'leader').length === 1,
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
