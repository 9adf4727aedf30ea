// `conclave start`: runs the cluster of this machine until SIGTERM or SIGINT.
import { once } from 'node:events';
import { type ConfigFlags, readConfig } from '../../config/read-config.ts';
import { type ReadyFile, runCluster } from '../supervise/run-cluster.ts';

export type StartOptions = ConfigFlags;

export async function startCommand(options: StartOptions): Promise<void> {
  const config = readConfig(options);
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const stopped = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  const cluster = await runCluster({ config, configFile: options.config, say });
  process.stdout.write(welcome(cluster.ready));
  await stopped;
  say('Stopping: running answers may finish.');
  await cluster.stop();
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
