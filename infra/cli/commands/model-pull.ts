// `conclave model pull`: downloads a model from a hub into the cache that other tools share.
import { readHubAccess } from '../../../workers/hub/hub-access.ts';
import { requireHubName } from '../../../workers/hub/model-name.ts';
import { pullWithProgress } from '../provide-model.ts';

export interface PullOptions {
  readonly json?: true;
}

export async function pullCommand(text: string, options: PullOptions): Promise<void> {
  const name = requireHubName(text);
  const pulled = await pullWithProgress(name, readHubAccess(process.env));
  const line = options.json === true ? JSON.stringify({ ...name, ...pulled }) : pulled.folder;
  process.stdout.write(`${line}\n`);
}
