// The model and tokenizer of a bench, opened twice: the first time packs may have to be built, the second time says how
// long loading takes when they are there and their pages are in memory.
import { DEFAULT_ENGINE, type Engine, type EngineOptions, openEngine } from '../../../workers/serve/open-engine.ts';
import { createTokenizer } from '../../tokenizer/create-tokenizer.ts';
import type { Tokenizer } from '../../tokenizer/tokenizer.ts';
import { readTokenizerFiles } from '../../tokenizer/tokenizer-files.ts';
import { homeFolder } from '../home-folder.ts';
import { loadDisplay } from '../load-events.ts';

/** What benches take that can be compared with a second engine. */
export interface PeerFlags {
  /** URL of a llama.cpp server with the same weights. */
  readonly peer?: string;
}

/** What every bench takes. */
export interface BenchFlags {
  readonly model: string;
  readonly home?: string;
  readonly threads?: number;
  readonly json?: true;
}

export interface BenchEngine {
  readonly engine: Engine;
  readonly tokenizer: Tokenizer;
  /** Seconds to open the packs and create the session. */
  readonly loadSeconds: number;
}

/** Runs `use` with the model that the flags name, then closes it. Throws DomainError naming what is wrong with it. */
export async function withBenchEngine<T>(
  flags: BenchFlags,
  options: Partial<EngineOptions>,
  use: (bench: BenchEngine) => Promise<T>,
): Promise<T> {
  const open = () => openNamedEngine(flags, options);
  await (await open()).close();
  const startedMs = performance.now();
  const engine = await open();
  const loadSeconds = (performance.now() - startedMs) / 1000;
  try {
    const files = await readTokenizerFiles(flags.model, engine.packs.description.family);
    return await use({ engine, tokenizer: await createTokenizer(files), loadSeconds });
  } finally {
    await engine.close();
  }
}

async function openNamedEngine(flags: BenchFlags, options: Partial<EngineOptions>): Promise<Engine> {
  const display = loadDisplay();
  const home = homeFolder(flags.home, process.env);
  const load = { folder: flags.model, home, packs: 'all', events: display.events } as const;
  // A bench says what a token costs; the answers of random weights repeat themselves and would be guessed.
  const settings = { ...DEFAULT_ENGINE, speculation: 'off', threads: flags.threads ?? null, ...options } as const;
  return openEngine(load, settings).finally(display.end);
}
