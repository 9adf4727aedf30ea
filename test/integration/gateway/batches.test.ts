// Files and batches of a real gateway as OpenAI's official client uses them, on a real Redis with a worker that writes words.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import OpenAI, { toFile } from 'openai';
import { start, until } from './real-gateway.ts';

const ENDPOINT = '/v1/chat/completions';

function line(customId: string, changes: object = {}): string {
  const body = { model: 'words', messages: [{ role: 'user', content: customId }] };
  return JSON.stringify({ custom_id: customId, method: 'POST', url: ENDPOINT, body, ...changes });
}

async function open(t: TestContext, config: object = {}) {
  const system = await start(t, config);
  const connect = (apiKey: string) => new OpenAI({ baseURL: `${system.gateway.url}/v1`, apiKey, maxRetries: 0 });
  const client = connect(system.key.text);
  const upload = async (text: string, name = 'requests.jsonl') =>
    client.files.create({ file: await toFile(Buffer.from(text), name), purpose: 'batch' });
  const run = async (text: string, wanted: string) => {
    const { id: input } = await upload(text);
    const { id } = await client.batches.create({ input_file_id: input, endpoint: ENDPOINT, completion_window: '24h' });
    await until(async () => (await client.batches.retrieve(id)).status === wanted);
    return client.batches.retrieve(id);
  };
  const linesOf = async (fileId: string | null | undefined) =>
    (await (await client.files.content(fileId ?? '')).text())
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text));
  return { ...system, connect, client, upload, run, linesOf };
}

test('uploads, lists, reads and deletes files, for one tenant', async (t) => {
  const { client, upload, connect, newKey } = await open(t, { files: { tenantBytes: 300_000, fileBytes: 290_000 } });
  const text = `${'é'.repeat(100)}\r\n--x\r\n`.repeat(1000);
  const file = await upload(text, 'naïve "name".jsonl');
  assert.deepEqual([file.bytes, file.purpose, file.object], [Buffer.byteLength(text), 'batch', 'file']);
  assert.equal(await (await client.files.content(file.id)).text(), text);
  assert.deepEqual(
    (await client.files.list()).data.map(({ id }) => id),
    [file.id],
  );
  assert.deepEqual(await client.files.retrieve(file.id), file);
  await assert.rejects(upload(text), { status: 413 });
  await assert.rejects(upload('x'.repeat(290_001)), { status: 413 });
  await assert.rejects(
    client.files.create({ file: await toFile(Buffer.from('x'), 'x'), purpose: 'vision' }),
    OpenAI.BadRequestError,
  );
  const rival = connect((await newKey(['chat'], 'rival')).text);
  await assert.rejects(rival.files.retrieve(file.id), OpenAI.NotFoundError);
  await assert.rejects(rival.files.content(file.id), OpenAI.NotFoundError);
  const stolen = { input_file_id: file.id, endpoint: ENDPOINT, completion_window: '24h' } as const;
  await assert.rejects(rival.batches.create(stolen), OpenAI.NotFoundError);
  await client.files.delete(file.id);
  await assert.rejects(client.files.retrieve(file.id), OpenAI.NotFoundError);
  assert.equal((await upload(text)).bytes, Buffer.byteLength(text));
});

test('runs a batch: every line once, results and errors apart', { timeout: 60_000 }, async (t) => {
  const { run, linesOf, work, client } = await open(t);
  await work();
  const ids = Array.from({ length: 40 }, (_, at) => `line-${at}`);
  const wrong = line('wrong', { body: { model: 'nothing', messages: [{ role: 'user', content: 'x' }] } });
  const batch = await run(`${[...ids.map((id) => line(id)), wrong].join('\n')}\n`, 'completed');
  assert.deepEqual(batch.request_counts, { total: 41, completed: 40, failed: 1 });
  const output = await linesOf(batch.output_file_id);
  assert.deepEqual(output.map((each) => each.custom_id).sort(), [...ids].sort());
  assert.equal(output[0].response.body.choices[0].message.content, 'one two three');
  const [error] = await linesOf(batch.error_file_id);
  assert.deepEqual(
    [error.custom_id, error.response.status_code, error.response.body.error.code],
    ['wrong', 404, 'model_not_found'],
  );
  assert.deepEqual(
    (await client.batches.list()).data.map(({ id }) => id),
    [batch.id],
  );
  await assert.rejects(client.batches.cancel(batch.id), OpenAI.ConflictError);
});

test('a batch whose lines are wrong fails, and names each of them', async (t) => {
  const { run, client } = await open(t);
  const text = [
    line('a'),
    '{"custom_id": ',
    line('a'),
    line('b', { url: '/v1/embeddings' }),
    line('c', { method: 'GET' }),
  ];
  const { errors, output_file_id: output } = await run(text.join('\n'), 'failed');
  assert.deepEqual(
    errors?.data?.map((error) => [error.line, error.code]),
    [
      [2, 'invalid_json_line'],
      [3, 'duplicate_custom_id'],
      [4, 'mismatched_url'],
      [5, 'invalid_request'],
    ],
  );
  assert.equal(output, null);
  assert.equal((await run('\n', 'failed')).errors?.data?.[0]?.code, 'empty_file');
  const nothing = { input_file_id: 'file-none', endpoint: ENDPOINT, completion_window: '24h' } as const;
  await assert.rejects(client.batches.create(nothing), OpenAI.NotFoundError);
});
