// A Python client: its script runs once and reports all its checks, which become tests by name.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { REPOSITORY_ROOT } from '../../repository-root.ts';
import { CLIENTS_FOLDER } from './cases.ts';
import type { ClientTargets } from './check-client.ts';

/** llama-index needs an older openai than the others, hence an environment of its own. */
type Environment = 'clients' | 'llama-index';

export interface PythonClient {
  readonly name: string;
  readonly script: string;
  readonly environment: Environment;
  /** Checks that it has beside those of all clients. */
  readonly extra: readonly string[];
}

interface Outcome {
  readonly name: string;
  /** What it raised. */
  readonly problem: string | null;
}

const CHECKS = [
  'chat',
  'stream',
  'second turn',
  'long conversation',
  'unicode',
  'leave',
  'wrong key',
  'unknown model',
  'bad request',
  'context length',
  'rate limit',
] as const;

/** Disables downloads and telemetry: tests run without a network. */
const QUIET = {
  LITELLM_LOCAL_MODEL_COST_MAP: 'True',
  LITELLM_MODE: 'PRODUCTION',
  LANGSMITH_TRACING: 'false',
  LANGCHAIN_TRACING_V2: 'false',
  OTEL_SDK_DISABLED: 'true',
  PYTHONDONTWRITEBYTECODE: '1',
};

/** Written when all of it is installed. */
function isInstalled(environment: Environment): boolean {
  return existsSync(join(REPOSITORY_ROOT, '.venv', environment, 'installed'));
}

/** The interpreter that `.ci/run` installs the clients for. */
function interpreter(environment: Environment): string {
  return join(REPOSITORY_ROOT, '.venv', environment, 'bin', 'python');
}

/** A missing environment skips the tests on a developer's machine and fails them in CI. */
export function missingEnvironment({ environment }: PythonClient): string | false {
  if (isInstalled(environment)) return false;
  const reason = `not installed: .venv/${environment} (test/e2e/clients/python/install.sh)`;
  assert.ok(process.env['CONCLAVE_TEST_REQUIRE_TOOLS'] === undefined, reason);
  return reason;
}

/** Runs all checks of a client and makes a test of each. */
export async function checkPythonClient(t: TestContext, client: PythonClient, targets: ClientTargets): Promise<void> {
  const outcomes = await runScript(client, targets);
  assert.deepEqual(
    outcomes.map(({ name }) => name),
    [...CHECKS, ...client.extra],
  );
  for (const { name, problem } of outcomes) await t.test(name, () => assert.equal(problem, null));
}

async function runScript(client: PythonClient, { target, limited }: ClientTargets): Promise<readonly Outcome[]> {
  const env = {
    ...process.env,
    ...QUIET,
    BASE_URL: target.baseURL,
    API_KEY: target.apiKey,
    LIMITED_KEY: limited.apiKey,
    MODEL: target.model,
  };
  const script = spawn(interpreter(client.environment), [join(CLIENTS_FOLDER, 'python', client.script)], { env });
  const [output, problems] = [readText(script.stdout), readText(script.stderr)];
  const [code] = await once(script, 'close');
  assert.equal(code, 0, await problems);
  return JSON.parse((await output).trimEnd().split('\n').at(-1) ?? '');
}
