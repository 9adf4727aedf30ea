// `conclave model import`: a GGUF file as a checkpoint folder.
import { importGguf } from '../../../workers/gguf/import-gguf.ts';
import { describeCheckpoint } from '../../../workers/model/describe-checkpoint.ts';
import { formatBytes } from '../format-bytes.ts';
import { loadDisplay } from '../load-events.ts';

export interface ImportOptions {
  readonly out: string;
  readonly json?: true;
}

export async function importCommand(file: string, { out, json }: ImportOptions): Promise<void> {
  const { events, end } = loadDisplay();
  try {
    const model = await importGguf(file, out, events.onProgress);
    end();
    // A model that the engine would refuse is refused now.
    await describeCheckpoint(out);
    const text = `${out}: ${model.family}, ${model.tensors} tensors, ${formatBytes(model.bytes)}`;
    process.stdout.write(`${json === true ? JSON.stringify({ folder: out, ...model }) : text}\n`);
  } finally {
    end();
  }
}
