// Clients that leave, come back, ask twice, or ask for what is not theirs.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { request } from 'undici';
import { type OpenedStream, openStream, Transcript } from '../chat-stream.ts';
import { eventually, longChatBody, sharedCluster } from '../start-cluster.ts';

interface Job {
  readonly state: string;
  readonly outcome: string;
  readonly completionTokens: number;
}

describe('a client', () => {
  const cluster = sharedCluster({ stream: { keepAliveSeconds: 0.1 } });

  const start = (body: object, transcript: Transcript, headers: Readonly<Record<string, string>> = {}) => {
    const { url, apiKey: key } = cluster();
    return openStream({ method: 'POST', url: `${url}/v1/chat/completions`, key, body, headers }, transcript);
  };

  const resume = (id: string, transcript: Transcript): Promise<OpenedStream> => {
    const { url, apiKey: key } = cluster();
    const headers = { 'last-event-id': String(transcript.lastId) };
    return openStream({ method: 'GET', url: `${url}/v1/streams/${id}`, key, headers }, transcript);
  };

  const job = async (id: string) => (await cluster().admin('GET', `jobs/${id}`)) as Job;
  const ended = (id: string) =>
    eventually(
      'the job ended',
      () => job(id),
      ({ state }) => state === 'ended',
    );

  async function call(method: 'GET' | 'DELETE', id: string, key: string) {
    const answer = await request(`${cluster().url}/v1/streams/${id}`, {
      method,
      headers: { authorization: `Bearer ${key}` },
    });
    return { status: answer.statusCode, body: (await answer.body.json()) as Record<string, unknown> };
  }

  test('that hangs up cancels its request', async () => {
    const transcript = new Transcript();
    const stream = await start(longChatBody(4000), transcript);
    await stream.read(() => transcript.ids.length > 5);
    stream.leave();
    const { outcome, completionTokens } = await ended(stream.id);
    assert.equal(outcome, 'cancelled');
    assert.ok(completionTokens < 4000);
  });

  test('that hangs up after Conclave-Resume finds the whole rest', async () => {
    const undisturbed = new Transcript();
    await (await start(longChatBody(300), undisturbed)).read();
    const transcript = new Transcript();
    const stream = await start(longChatBody(300), transcript, { 'conclave-resume': '60' });
    await stream.read(() => transcript.ids.length > 20);
    stream.leave();
    const { outcome, completionTokens } = await ended(stream.id);
    assert.deepEqual([outcome, completionTokens], ['finished', 300]);
    await (await resume(stream.id, transcript)).read();
    assert.equal(transcript.text, undisturbed.text);
    assert.deepEqual(transcript.ids, undisturbed.ids);
    assert.ok(transcript.done);
  });

  test('that cancels gets an error event that says so', async () => {
    const transcript = new Transcript();
    const stream = await start(longChatBody(4000), transcript);
    await stream.read(() => transcript.ids.length > 5);
    const answer = await call('DELETE', stream.id, cluster().apiKey);
    assert.deepEqual(answer, {
      status: 200,
      body: { id: stream.id, object: 'stream.cancellation', cancelled: true },
    });
    await stream.read();
    assert.deepEqual([transcript.error, transcript.done], ['cancelled', false]);
    const again = await call('DELETE', stream.id, cluster().apiKey);
    assert.equal(again.body['cancelled'], false);
  });

  test('that asks twice with one Idempotency-Key gets one generation', async () => {
    const headers = { 'idempotency-key': 'order-66' };
    const [first, second] = [new Transcript(), new Transcript()];
    const original = await start(longChatBody(60), first, headers);
    const repeated = await start(longChatBody(60), second, headers);
    await Promise.all([original.read(), repeated.read()]);
    assert.equal(repeated.id, original.id);
    assert.deepEqual(
      [original.headers['conclave-repeated'], repeated.headers['conclave-repeated']],
      [undefined, 'true'],
    );
    assert.equal(second.text, first.text);
    assert.ok(first.done && second.done && first.text.length > 0);
    const other = await start(longChatBody(61), new Transcript(), headers);
    assert.equal(other.status, 409);
  });

  test('that waits hears of its place, and another tenant hears of nothing', async () => {
    const stranger = await cluster().newTenant('stranger');
    const { data } = (await cluster().admin('GET', 'queues')) as {
      readonly data: readonly { readonly queue: string }[];
    };
    const queue = data[0]?.queue ?? '';
    await cluster().admin('POST', `queues/${encodeURIComponent(queue)}/pause`);
    const transcript = new Transcript();
    const stream = await start(longChatBody(10), transcript);
    await stream.read(() => transcript.comments.length > 0);
    assert.match(transcript.comments[0] ?? '', /^queued position=0/);
    for (const method of ['GET', 'DELETE'] as const) {
      assert.deepEqual(await call(method, stream.id, stranger), {
        status: 404,
        body: {
          error: {
            message: 'No stream has this id, or it has expired.',
            type: 'invalid_request_error',
            param: 'id',
            code: 'not_found',
          },
        },
      });
    }
    await cluster().admin('POST', `queues/${encodeURIComponent(queue)}/resume`);
    await stream.read();
    assert.ok(transcript.done);
  });
});
