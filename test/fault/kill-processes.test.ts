// Any process may be killed at any moment of a stream: the client gets the text of the undisturbed run, every id once and
// in order.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { openStream, Transcript } from '../chat-stream.ts';
import { eventually, sharedCluster, storyOf } from '../start-cluster.ts';

/** Enough tokens for more than a second on a fast machine. */
const MAX_TOKENS = 1000;
/** Ids that have arrived when the blow falls. */
const SOME = 50;

describe('a stream survives', () => {
  const cluster = sharedCluster();
  const undisturbed = new Transcript();

  const call = () => ({
    method: 'POST' as const,
    url: `${cluster().url}/v1/chat/completions`,
    key: cluster().apiKey,
    body: storyOf(MAX_TOKENS),
  });

  async function assertInMidStream(id: string): Promise<void> {
    const { completionTokens } = (await cluster().admin('GET', `jobs/${id}`)) as { readonly completionTokens: number };
    assert.ok(completionTokens < MAX_TOKENS, 'the blow fell in mid-stream');
  }

  function assertUndisturbed(transcript: Transcript): void {
    assert.equal(transcript.text, undisturbed.text);
    assert.deepEqual(transcript.ids, undisturbed.ids);
    assert.equal(transcript.error, '');
    assert.ok(transcript.done);
  }

  async function resume(id: string, transcript: Transcript): Promise<void> {
    const { url, apiKey: key } = cluster();
    const headers = { 'last-event-id': String(transcript.lastId) };
    const again = () => openStream({ method: 'GET', url: `${url}/v1/streams/${id}`, key, headers }, transcript);
    const resumed = await eventually(
      'the stream is there again',
      () => again().catch(() => null),
      (opened) => opened?.status === 200,
    );
    await resumed?.read();
  }

  before(async () => {
    const stream = await openStream(call(), undisturbed);
    await stream.read();
    assert.ok(undisturbed.done && undisturbed.ids.length > 2 * SOME);
  });

  test('kill -9 of its worker', async () => {
    const transcript = new Transcript();
    const stream = await openStream(call(), transcript);
    await stream.read(() => transcript.ids.length > SOME);
    await cluster().kill('worker');
    await assertInMidStream(stream.id);
    await stream.read();
    assertUndisturbed(transcript);
  });

  test('kill -9 of its gateway: the client resumes with Last-Event-ID', async () => {
    const transcript = new Transcript();
    const stream = await openStream(call(), transcript);
    await stream.read(() => transcript.ids.length > SOME);
    await cluster().kill('gateway');
    await stream.read();
    assert.equal(transcript.done, false, 'the connection broke in mid-stream');
    await resume(stream.id, transcript);
    assertUndisturbed(transcript);
  });

  test('kill -9 of the durable Redis', async () => {
    const transcript = new Transcript();
    const stream = await openStream(call(), transcript);
    await stream.read(() => transcript.ids.length > SOME);
    await cluster().kill('redis');
    await assertInMidStream(stream.id);
    await stream.read();
    assertUndisturbed(transcript);
  });

  test('kill -9 of worker, gateway and Redis at once', async () => {
    const transcript = new Transcript();
    const stream = await openStream(call(), transcript);
    await stream.read(() => transcript.ids.length > SOME);
    await Promise.all((['worker', 'gateway', 'redis'] as const).map((part) => cluster().kill(part)));
    await stream.read();
    assert.equal(transcript.done, false);
    await resume(stream.id, transcript);
    assertUndisturbed(transcript);
  });
});
