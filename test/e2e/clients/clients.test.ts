// The clients that people have, as their documentation shows them, against the demo model and everything that `npm start` runs.
// docs/use.md has the table of them.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { DEMO_MODEL } from '../../../infra/package-facts.ts';
import { eventually, sharedCluster, type TestCluster } from '../../start-cluster.ts';
import { aiSdkClient } from './ai-sdk-client.ts';
import { type ClientTargets, checkClient } from './check-client.ts';
import { langchainClient } from './langchain-client.ts';
import { openaiClient } from './openai-client.ts';
import { checkOtherApis } from './other-apis.ts';
import { checkPythonClient, missingEnvironment, type PythonClient } from './python-client.ts';

const STREAMED = 'streamed message as history';
const TOOLS = 'tools in a loop';

const PYTHON_CLIENTS: readonly PythonClient[] = [
  {
    name: 'openai',
    script: 'openai_client.py',
    environment: 'clients',
    extra: [STREAMED, 'stop strings', 'choices', 'log-probabilities', 'completions and models', TOOLS],
  },
  {
    name: 'langchain-openai',
    script: 'langchain_openai_client.py',
    environment: 'clients',
    extra: [STREAMED, 'list of prompts', TOOLS],
  },
  { name: 'litellm', script: 'litellm_client.py', environment: 'clients', extra: [STREAMED] },
  { name: 'pydantic-ai', script: 'pydantic_ai_client.py', environment: 'clients', extra: [STREAMED, TOOLS] },
  {
    name: 'autogen',
    script: 'autogen_client.py',
    environment: 'clients',
    extra: ['agent of several turns', 'agent that streams', 'agent with tools'],
  },
  {
    name: 'llama-index',
    script: 'llama_index_client.py',
    environment: 'llama-index',
    extra: [STREAMED, 'completion'],
  },
];

describe('official clients', () => {
  const cluster = sharedCluster({ model: DEMO_MODEL });

  for (const [at, kind] of [openaiClient, aiSdkClient, langchainClient].entries()) {
    describe(`${kind.name} (Node)`, () => {
      let targets: ClientTargets;
      before(async () => {
        targets = await newTargets(cluster(), `node-${at}`);
      });
      checkClient(kind, () => targets);
      test('the server ends what the client left', () => leftOneRequest(cluster(), `node-${at}`));
    });
  }

  describe('other APIs (Node)', () => {
    let targets: ClientTargets;
    before(async () => {
      targets = await newTargets(cluster(), 'node-other');
    });
    checkOtherApis(() => targets.target);
  });

  for (const [at, client] of PYTHON_CLIENTS.entries()) {
    test(`${client.name} (Python)`, { skip: missingEnvironment(client) }, async (t) => {
      await checkPythonClient(t, client, await newTargets(cluster(), `python-${at}`));
      await t.test('the server ends what the client left', () => leftOneRequest(cluster(), `python-${at}`));
    });
  }
});

async function newTargets(cluster: TestCluster, tenant: string): Promise<ClientTargets> {
  const target = { baseURL: `${cluster.url}/v1`, apiKey: await cluster.newTenant(tenant), model: cluster.model };
  const apiKey = await cluster.newTenant(`${tenant}-limited`, { requestsPerMinute: 1 });
  return { target, limited: { ...target, apiKey } };
}

interface JobRecord {
  readonly id: string;
  readonly outcome: string;
}

/** Of all that a client asked for, one request was cancelled: the one that it left in mid-stream. */
async function leftOneRequest(cluster: TestCluster, tenant: string): Promise<void> {
  const path = `jobs?state=ended&limit=200&queue=${encodeURIComponent(`${cluster.model}@${tenant}`)}`;
  const cancelled = await eventually(
    `the request that ${tenant} left is cancelled`,
    async () => {
      const { data } = (await cluster.admin('GET', path)) as { readonly data: readonly JobRecord[] };
      return data.filter(({ outcome }) => outcome === 'cancelled');
    },
    ({ length }) => length > 0,
  );
  assert.equal(cancelled.length, 1);
}
