// Any process may be killed at any moment of a stream: the client gets the text of the undisturbed run, every id once and
// in order.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { openStream, Transcript } from '../chat-stream.ts';
import { type ClusterPart, eventually, longChatBody, sharedCluster } from '../start-cluster.ts';

/** Takes half a second on a fast machine. */
const MAX_TOKENS = 1500;
/** Ids that have arrived when the blow falls. */
const SOME = 50;

describe('a stream survives kill -9', () => {
  const cluster = sharedCluster();
  let undisturbed: Transcript;

  before(async () => {
    undisturbed = await readWhole();
    assert.ok(undisturbed.done && undisturbed.ids.length > 2 * SOME);
  });

  test('of its worker', () => strike(['worker'], readSome));

  test('of its worker before the first token', () => strike(['worker'], () => true));

  test('of its worker when one of two choices has ended', async () => {
    const free = await readWhole({ n: 2 });
    const stop = onlyIn(free.texts[0] ?? '', free.texts[1] ?? '');
    const changes = { n: 2, stop };
    await strike(['worker'], ({ finished }) => finished.size > 0, changes, await readWhole(changes));
  });

  test('of its gateway, when the client resumes with Last-Event-ID', () => strike(['gateway'], readSome));

  test('of the durable Redis', () => strike(['redis'], readSome));

  test('of worker, gateway and Redis at once', () => strike(['worker', 'gateway', 'redis'], readSome));

  function readSome({ ids }: Transcript): boolean {
    return ids.length > SOME;
  }

  const open = (transcript: Transcript, changes: object = {}) => {
    const { url, apiKey: key } = cluster();
    const body = longChatBody(MAX_TOKENS, changes);
    return openStream({ method: 'POST', url: `${url}/v1/chat/completions`, key, body }, transcript);
  };

  async function readWhole(changes: object = {}): Promise<Transcript> {
    const transcript = new Transcript();
    await (await open(transcript, changes)).read();
    return transcript;
  }

  /** Opens a stream, kills when it is time, reads on and compares. */
  async function strike(
    parts: readonly ClusterPart[],
    isTime: (transcript: Transcript) => boolean,
    changes: object = {},
    expected = undisturbed,
  ): Promise<void> {
    const transcript = new Transcript();
    const stream = await open(transcript, changes);
    await stream.read(() => isTime(transcript));
    const struckAtMs = Date.now();
    await Promise.all(parts.map((part) => cluster().kill(part)));
    await stream.read();
    if (parts.includes('gateway')) await resume(stream.id, transcript);
    assert.deepEqual(transcript.texts, expected.texts);
    assert.deepEqual(transcript.ids, expected.ids);
    assert.deepEqual([transcript.error, transcript.done], ['', true]);
    const { endedAtMs } = (await cluster().admin('GET', `jobs/${stream.id}`)) as { readonly endedAtMs: number };
    assert.ok(endedAtMs > struckAtMs, 'the blow fell in mid-stream');
  }

  async function resume(id: string, transcript: Transcript): Promise<void> {
    assert.equal(transcript.done, false, 'the connection broke in mid-stream');
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
});

/** A short piece of `text`, not at its very start, that `other` does not have. */
function onlyIn(text: string, other: string): string {
  for (let at = SOME; at < text.length; at += 1) {
    const piece = text.slice(at, at + 5);
    if (!other.includes(piece) && text.indexOf(piece) === at) return piece;
  }
  throw new Error('The two texts do not differ.');
}
