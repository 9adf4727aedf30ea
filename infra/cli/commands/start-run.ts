// `conclave start`: runs the cluster of this machine until it is asked to stop.
import { once } from 'node:events';
import { type ConfigFlags, readConfig } from '../../config/read-config.ts';
import { exitBySignal, stopRequest } from '../../process/stop-request.ts';
import { type ReadyFile, type RunningCluster, runCluster } from '../supervise/run-cluster.ts';

export type StartOptions = ConfigFlags;

export async function startCommand(options: StartOptions): Promise<void> {
  const config = readConfig(options);
  const say = (line: string) => process.stderr.write(`${line}\n`);
  // A terminal that was closed asks us to stop, and cannot be told anything any more.
  process.stderr.on('error', () => {});
  const asked = stopRequest();
  const starting = runCluster({ config, configFile: options.config, say, interrupted: asked });
  const cluster = await unlessInterrupted(starting, asked);
  if (cluster === null) return exitBySignal(asked);
  process.stdout.write(welcome(cluster.ready));
  if (!asked.aborted) await once(asked, 'abort');
  say('Stopping: running answers may finish.');
  await cluster.stop();
  // Node aborts at its usual exit when the terminal is gone.
  if (asked.reason === 'SIGHUP') exitBySignal(asked);
}

/** A start that was interrupted failed for no other reason: null. */
async function unlessInterrupted(
  starting: Promise<RunningCluster>,
  asked: AbortSignal,
): Promise<RunningCluster | null> {
  try {
    return await starting;
  } catch (thrown) {
    if (asked.aborted) return null;
    throw thrown;
  }
}

/** What a newcomer needs next, ready to be pasted. */
function welcome({ url, apiKey, adminKey, model }: ReadyFile): string {
  const body = JSON.stringify({
    model,
    messages: [{ role: 'user', content: 'What is the capital of France?' }],
    stream: true,
  });
  return `
Conclave serves ${model} at ${url}

  API key    ${apiKey}
  Admin key  ${adminKey}
  Queues     ${url}/admin/queues

curl -N ${url}/v1/chat/completions \\
  -H 'Authorization: Bearer ${apiKey}' -H 'Content-Type: application/json' \\
  -d '${body}'

`;
}
