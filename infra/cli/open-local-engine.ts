// Opens the model that a command names, showing progress, and closes it when the command is done.
import { removeOldPacks } from '../../workers/pack/pack-folder.ts';
import { DEFAULT_ENGINE, type Engine, type EngineOptions, openEngine } from '../../workers/serve/open-engine.ts';
import type { EngineFlags } from './engine-flags.ts';
import { homeFolder } from './home-folder.ts';
import { loadDisplay } from './load-events.ts';

/** Runs `use` with the engine that the flags describe. */
export async function withLocalEngine<T>(
  flags: EngineFlags,
  options: Partial<EngineOptions>,
  use: (engine: Engine) => Promise<T>,
): Promise<T> {
  const display = loadDisplay();
  const load = {
    folder: flags.model,
    home: homeFolder(flags.home, process.env),
    packs: 'all',
    events: display.events,
  } as const;
  const { backend, variant } = flags;
  const settings = { ...DEFAULT_ENGINE, backend, variant, threads: flags.threads ?? null, ...options };
  const engine = await openEngine(load, settings).finally(display.end);
  for (const old of await removeOldPacks(load.home))
    process.stderr.write(`Deleted packs of an older version: ${old}\n`);
  try {
    return await use(engine);
  } finally {
    await engine.close();
  }
}
