// The official Python client, where it is installed: see openai_client.py. PYTHON names another interpreter than python3.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { test } from 'node:test';
import { REPOSITORY_ROOT } from '../repository-root.ts';
import { eventually, startCluster } from '../start-cluster.ts';

const PYTHON = process.env['PYTHON'] ?? 'python3';

function missing(): string | false {
  if (spawnSync(PYTHON, ['-c', 'import openai']).status === 0) return false;
  return `${PYTHON} has no module openai (pip install openai, or set PYTHON)`;
}

test('the Python client streams, stops, counts choices, reads errors and leaves', { skip: missing() }, async (t) => {
  const cluster = await startCluster(t);
  const env = { ...process.env, BASE_URL: `${cluster.url}/v1`, API_KEY: cluster.apiKey, MODEL: cluster.model };
  const script = spawn(PYTHON, [join(REPOSITORY_ROOT, 'test', 'e2e', 'openai_client.py')], { env });
  const [output, problems] = [readText(script.stdout), readText(script.stderr)];
  const [code] = await once(script, 'close');
  assert.equal(code, 0, await problems);
  const left = (await output).trim();
  const { outcome } = await eventually(
    'the generation that it left ended',
    async () => (await cluster.admin('GET', `jobs/${left}`)) as { state: string; outcome: string },
    ({ state }) => state === 'ended',
  );
  assert.equal(outcome, 'cancelled');
});
