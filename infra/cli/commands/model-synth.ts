// `conclave model synth`: options -> a synthetic checkpoint.
import type { WeightDtype } from '../../../native/model-description.ts';
import { inspectModel } from '../../../workers/model/inspect-model.ts';
import { familyOf } from '../../../workers/model/model-families.ts';
import { type ModelSizes, sizeOutline } from '../../../workers/model/size-outline.ts';
import { DEFAULT_SHARD_BYTES, synthesizeCheckpoint } from '../../../workers/model/synthesize-checkpoint.ts';
import { formatBytes } from '../format-bytes.ts';
import { loadDisplay } from '../load-events.ts';

export interface SynthOptions extends Omit<ModelSizes, 'maxContext'> {
  readonly out: string;
  readonly like: string;
  readonly maxSeqLen: number;
  readonly dtype: WeightDtype;
  readonly seed: number;
  readonly json?: true;
}

export async function synthCommand(options: SynthOptions): Promise<void> {
  const { out: folder, dtype, seed } = options;
  const family = familyOf({ path: '--like', modelType: options.like });
  const model = sizeOutline(family, { ...options, maxContext: options.maxSeqLen });
  const { events, end } = loadDisplay();
  try {
    const { onProgress } = events;
    await synthesizeCheckpoint({ family, model, dtype, seed, folder, shardBytes: DEFAULT_SHARD_BYTES, onProgress });
  } finally {
    end();
  }
  const { parameters, bytes } = inspectModel({ ...model, dtype }, 1);
  const text =
    options.json === true
      ? JSON.stringify({ folder, parameters: parameters.total, bytes: bytes.total })
      : `${folder}: ${parameters.total} parameters, ${formatBytes(bytes.total)} of weights`;
  process.stdout.write(`${text}\n`);
}
