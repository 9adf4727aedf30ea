// `conclave model synth`: options -> a synthetic checkpoint.
import { BYTES_PER_WEIGHT, type PlainFormat } from '../../../native/weight-format.ts';
import { familyOf } from '../../../workers/model/families/model-families.ts';
import type { ModelSizes } from '../../../workers/model/families/model-family.ts';
import { inspectModel } from '../../../workers/model/inspect-model.ts';
import { sizeModel } from '../../../workers/model/size-config.ts';
import { uniformModel } from '../../../workers/model/stored-model.ts';
import { synthesizeCheckpoint } from '../../../workers/model/synthesize-checkpoint.ts';
import { DEFAULT_SHARD_BYTES } from '../../../workers/model/write-weights.ts';
import { formatBytes } from '../format-bytes.ts';
import { loadDisplay } from '../load-events.ts';

export interface SynthOptions extends Omit<ModelSizes, 'maxContext'> {
  readonly out: string;
  readonly like: string;
  readonly maxSeqLen: number;
  readonly dtype: PlainFormat;
  readonly seed: number;
  readonly json?: true;
}

export async function synthCommand(options: SynthOptions): Promise<void> {
  const { out: folder, dtype, seed } = options;
  const family = familyOf({ path: '--like', modelType: options.like });
  const model = sizeModel(family, { ...options, maxContext: options.maxSeqLen });
  const { events, end } = loadDisplay();
  try {
    const { onProgress } = events;
    await synthesizeCheckpoint({ model, dtype, seed, folder, shardBytes: DEFAULT_SHARD_BYTES, onProgress });
  } finally {
    end();
  }
  const { parameters } = inspectModel(uniformModel(model.outline, dtype), 1);
  // A checkpoint's norms have the format of its matrices.
  const bytes = parameters.total * BYTES_PER_WEIGHT[dtype];
  const text =
    options.json === true
      ? JSON.stringify({ folder, parameters: parameters.total, bytes })
      : `${folder}: ${parameters.total} parameters, ${formatBytes(bytes)} of weights`;
  process.stdout.write(`${text}\n`);
}
