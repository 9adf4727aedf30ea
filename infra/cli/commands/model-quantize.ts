// `conclave model quantize`: options -> an MLX checkpoint of quantised weights.
import { type KeepName, type QuantizationMode, readChoice } from '../../../workers/model/quantization-choice.ts';
import { type QuantizedModel, quantizeCheckpoint } from '../../../workers/model/quantize-checkpoint.ts';
import { formatBytes } from '../format-bytes.ts';
import { loadDisplay } from '../load-events.ts';

export interface QuantizeOptions {
  readonly out: string;
  readonly mode: QuantizationMode;
  readonly bits?: number;
  readonly groupSize?: number;
  readonly keep: readonly KeepName[];
  readonly json?: true;
}

export async function quantizeCommand(folder: string, options: QuantizeOptions): Promise<void> {
  const { out, mode, bits, groupSize, keep } = options;
  const choice = readChoice({ mode, bits, groupSize, keep });
  const { events, end } = loadDisplay();
  try {
    const model = await quantizeCheckpoint({ folder, out, choice, onProgress: events.onProgress });
    end();
    process.stdout.write(options.json === true ? `${JSON.stringify({ folder: out, ...model })}\n` : report(out, model));
  } finally {
    end();
  }
}

function report(out: string, { errors, bytesBefore, bytes }: QuantizedModel): string {
  const ratio = (bytesBefore / bytes).toFixed(2);
  const lines = errors.map(({ role, format, relativeRms, worst }) =>
    [
      role.padEnd(16),
      format.padEnd(18),
      `relative rms ${relativeRms.toExponential(2)}`,
      `worst ${worst.toExponential(2)}`,
    ].join('  '),
  );
  return [...lines, `${out}: ${formatBytes(bytes)}, ${ratio} times smaller than ${formatBytes(bytesBefore)}`, ''].join(
    '\n',
  );
}
