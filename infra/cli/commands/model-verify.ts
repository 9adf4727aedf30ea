// `conclave model verify`: recomputes the checksums of a model's packs.
import { findPacks } from '../../../workers/model/find-packs.ts';
import { verifyPacks } from '../../../workers/pack/verify-packs.ts';
import { homeFolder } from '../home-folder.ts';
import { loadDisplay } from '../load-events.ts';

export interface VerifyOptions {
  readonly home?: string;
  readonly json?: true;
}

export async function verifyCommand(folder: string, options: VerifyOptions): Promise<void> {
  const { events, end } = loadDisplay();
  try {
    const packs = await findPacks(folder, homeFolder(options.home, process.env), events.onProgress);
    const verified = await verifyPacks(packs, events.onProgress);
    end();
    const text =
      options.json === true
        ? JSON.stringify({ folder: packs, ...verified })
        : `${packs}: ${verified.shared ? 'the shared pack and ' : ''}${verified.experts} experts of layers are sound`;
    process.stdout.write(`${text}\n`);
  } finally {
    end();
  }
}
