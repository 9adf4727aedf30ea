// `conclave start` and `conclave model pull` with a name on a hub.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { request } from 'undici';
import { startHub } from '../../hub-server.ts';
import { runConclaveBeside } from '../../run-conclave.ts';
import { cleanupInReverse, prepareHome } from '../../start-cluster.ts';
import { startConclave } from '../../start-conclave.ts';

const NAME = 'acme/tiny';

test('a model is served by its name on a hub, and pulled again silently', async (t) => {
  const cleanup = cleanupInReverse({ after: (close) => t.after(close) });
  const prepared = await prepareHome(cleanup);
  const hub = await startHub(cleanup, NAME, prepared.modelFolder);
  // The commands inherit it.
  Object.assign(process.env, { HF_ENDPOINT: hub.url, HF_HUB_CACHE: join(prepared.home, 'cache') });
  const started = startConclave(cleanup, { ...prepared, modelFolder: NAME });
  const { url, apiKey, model } = await started.ready();
  assert.equal(model, NAME);
  assert.match(started.said(), /acme\/tiny: dbrx, \d.* parameters, .* active; \d.* of it still to download/);
  const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' };
  const described = await request(`${url}/v1/models/${encodeURIComponent(NAME)}`, { headers });
  assert.equal(((await described.body.json()) as { readonly id: string }).id, NAME);
  const body = JSON.stringify({ model: NAME, prompt: 'Once', max_tokens: 4 });
  const answer = await request(`${url}/v1/completions`, { method: 'POST', headers, body });
  assert.equal(answer.statusCode, 200, await answer.body.text());
  const again = await runConclaveBeside('model', 'pull', NAME, '--json');
  assert.deepEqual([again.status, again.stderr], [0, '']);
  assert.deepEqual(Object.keys(JSON.parse(again.stdout)), ['repository', 'revision', 'commit', 'folder']);
  assert.match((await runConclaveBeside('model', 'list')).stdout, /^acme\/tiny +main +\d/m);
  assert.equal((await runConclaveBeside('model', 'rm', NAME)).status, 0);
  const missing = await runConclaveBeside('model', 'rm', NAME);
  assert.match(missing.stderr, /has no acme\/tiny\. See `conclave model list`\.$/m);
});

test('what is no name, and a name that no hub has, are errors of one line', async (t) => {
  const cleanup = cleanupInReverse({ after: (close) => t.after(close) });
  const prepared = await prepareHome(cleanup);
  const hub = await startHub(cleanup, NAME, prepared.modelFolder);
  Object.assign(process.env, { HF_ENDPOINT: hub.url, HF_HUB_CACHE: join(prepared.home, 'cache') });
  const path = await runConclaveBeside('model', 'pull', '../acme');
  assert.equal(
    path.stderr,
    'conclave: "../acme" is no name of a model on a hub: expected owner/name or owner/name@revision, such as Qwen/Qwen3-30B-A3B.\n',
  );
  const unknown = await runConclaveBeside('generate', '--model', 'acme/none', '--prompt', 'a', '--max-tokens', '1');
  assert.equal(
    unknown.stderr,
    `conclave: There is no folder acme/none here. ${hub.url} has no acme/none. Check its name and revision.\n`,
  );
  assert.deepEqual([path.status, unknown.status], [1, 1]);
});
