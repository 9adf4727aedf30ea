// `conclave model export-gguf`: a checkpoint as another engine reads it.
import { exportGguf } from '../../../workers/gguf/export-gguf.ts';
import { formatBytes } from '../format-bytes.ts';
import { loadDisplay } from '../load-events.ts';

export interface ExportGgufOptions {
  readonly out: string;
  readonly json?: true;
}

export async function exportGgufCommand(folder: string, { out, json }: ExportGgufOptions): Promise<void> {
  const { events, end } = loadDisplay();
  try {
    const bytes = await exportGguf(folder, out, events.onProgress);
    end();
    process.stdout.write(
      json === true ? `${JSON.stringify({ file: out, bytes })}\n` : `${out}: ${formatBytes(bytes)}\n`,
    );
  } finally {
    end();
  }
}
