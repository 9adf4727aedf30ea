// `conclave start`: runs this machine's cluster until it receives a stop signal.
import { once } from 'node:events';
import type { Config } from '../../config/config-schema.ts';
import { type ConfigFlags, readConfig } from '../../config/read-config.ts';
import { exitBySignal, stopRequest } from '../../process/stop-request.ts';
import { provideModel } from '../provide-model.ts';
import { type ReadyFile, type RunningCluster, runCluster } from '../supervise/run-cluster.ts';

export type StartOptions = ConfigFlags;

export async function startCommand(options: StartOptions): Promise<void> {
  const config = await withModel(readConfig(options));
  const say = (line: string) => process.stderr.write(`${line}\n`);
  // When the terminal closes, it sends SIGHUP and writes to it fail.
  process.stderr.on('error', () => {});
  const asked = stopRequest();
  const starting = runCluster({ config, configFile: options.config, say, interrupted: asked });
  const cluster = await unlessInterrupted(starting, asked);
  if (cluster === null) return exitBySignal(asked);
  process.stdout.write(welcome(cluster.ready));
  if (!asked.aborted) await once(asked, 'abort');
  say('Stopping. Running answers may finish; press Ctrl-C again to stop immediately.');
  await cluster.stop();
  // Node aborts at its usual exit when the terminal is gone.
  if (asked.reason === 'SIGHUP') exitBySignal(asked);
}

/** A model on a hub is downloaded, and served under its name there. */
async function withModel(config: Config): Promise<Config> {
  if (config.model === undefined) return config;
  const { folder, repository } = await provideModel(config.model);
  const servedModelName = config.servedModelName ?? repository ?? undefined;
  return { ...config, model: folder, ...(servedModelName !== undefined && { servedModelName }) };
}

/** Null if the start was interrupted, which is then the reason for its failure. */
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

/** The welcome message, with a command to paste. */
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
