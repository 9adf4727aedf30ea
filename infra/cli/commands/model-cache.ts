// `conclave model list` and `conclave model rm`: what was downloaded from hubs.
import { listModels, removeModel } from '../../../workers/hub/cache-layout.ts';
import { readHubAccess } from '../../../workers/hub/hub-access.ts';
import { requireHubName } from '../../../workers/hub/model-name.ts';
import { formatBytes } from '../format-bytes.ts';
import { formatTable } from '../format-table.ts';

export interface CacheOptions {
  readonly json?: true;
}

export async function listCommand(options: CacheOptions): Promise<void> {
  const { cache } = readHubAccess(process.env);
  const models = listModels(cache);
  const rows = models.map(({ repository, revisions, bytes }) => [
    repository,
    revisions.join(', ') || 'unfinished',
    formatBytes(bytes),
  ]);
  const table = formatTable(['model', 'revisions', 'size'], rows);
  process.stdout.write(options.json === true ? `${JSON.stringify({ cache, models })}\n` : table);
}

export async function removeCommand(text: string): Promise<void> {
  removeModel(readHubAccess(process.env).cache, requireHubName(text).repository);
}
