// What `--model` names: a folder, or a model on a hub, which is downloaded first. Progress goes to stderr.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type HubAccess, readHubAccess } from '../../workers/hub/hub-access.ts';
import { type HubName, parseHubName } from '../../workers/hub/model-name.ts';
import { type PulledModel, pullModel } from '../../workers/hub/pull-model.ts';
import { inspectModel } from '../../workers/model/inspect-model.ts';
import type { StoredModel } from '../../workers/model/stored-model.ts';
import { DomainError } from '../errors/domain-error.ts';
import { formatBytes, formatParameters } from './format-bytes.ts';
import { progressDisplay } from './show-progress.ts';

export interface ProvidedModel {
  readonly folder: string;
  /** `owner/name` on the hub; null for a folder. */
  readonly repository: string | null;
}

/** Throws DomainError naming what is missing, and what pullModel throws. */
export async function provideModel(model: string): Promise<ProvidedModel> {
  const name = existsSync(model) ? null : parseHubName(model);
  if (name === null) return { folder: resolve(model), repository: null };
  try {
    const { folder } = await pullWithProgress(name, readHubAccess(process.env));
    return { folder, repository: name.repository };
  } catch (thrown) {
    if (!(thrown instanceof DomainError)) throw thrown;
    throw new DomainError(thrown.code, `There is no folder ${model} here. ${thrown.message}`, { cause: thrown });
  }
}

/** Says what the model is and how the download goes on. */
export async function pullWithProgress(name: HubName, access: HubAccess): Promise<PulledModel> {
  const display = progressDisplay(process.stderr, () => performance.now());
  try {
    return await pullModel(name, access, {
      onPreview: (model, bytes, missing) => process.stderr.write(`${preview(name, model, bytes, missing)}\n`),
      onProgress: display.show,
      onWait({ pid, host }) {
        display.end();
        process.stderr.write(`Process ${pid} on ${host} is downloading this model. Waiting for it.\n`);
      },
    });
  } finally {
    display.end();
  }
}

/** "Qwen/Qwen3-30B-A3B: qwen3_moe, 30.5 B parameters, 3.3 B active; 61.1 GB, 12.0 GB of it still to download". */
function preview({ repository }: HubName, model: StoredModel, bytes: number, missing: number): string {
  const { description, parameters } = inspectModel(model, 1);
  const [total, active] = [parameters.total, parameters.active].map(formatParameters);
  const rest = missing === 0 ? 'all of it here' : `${formatBytes(missing)} of it still to download`;
  return `${repository}: ${description.family}, ${total} parameters, ${active} active; ${formatBytes(bytes)}, ${rest}`;
}
