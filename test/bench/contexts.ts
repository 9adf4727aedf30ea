// How much a long context slows one stream: steps at the end of a short and of a long one, alternately, on the engine's session.
// Usage: node dist/test/bench/contexts.js MODEL HOME [SHORT LONG THREADS]. Prints one JSON object:
//   short_ms, long_ms  time of a step: smallest, median, largest of the rounds
//   ratio              short / long within each round: the rate at LONG tokens as a share of that at SHORT
//   kv_bytes_per_token and what of it is resident, measured: anonymous memory that filling the long context added / its tokens

import { anonymousBytes } from '../../infra/cli/bench/anonymous-bytes.ts';
import { randomPrompt } from '../../infra/cli/bench/bench-requests.ts';
import { type Spread, spreadOf } from '../../infra/cli/bench/statistics.ts';
import { KV_BLOCK_TOKENS, type ModelSession } from '../../native/model-session.ts';
import { kvBytesPerToken } from '../../workers/cluster/memory-slots.ts';
import { DEFAULT_ENGINE, openEngine } from '../../workers/serve/open-engine.ts';

const ROUNDS = 15;
const STEPS = 6;
const CHUNK = 512;

/** A sequence whose KV blocks are the `blocks` from `firstBlock` on. */
class Context {
  readonly #session: ModelSession;
  readonly #vocab: number;
  readonly #table: Int32Array;
  readonly #logits: Float32Array;
  #length = 0;

  constructor(session: ModelSession, vocab: number, firstBlock: number, blocks: number) {
    this.#session = session;
    this.#vocab = vocab;
    this.#table = Int32Array.from({ length: blocks }, (_, index) => firstBlock + index);
    this.#logits = new Float32Array(vocab);
  }

  async append(tokens: readonly number[]): Promise<void> {
    const positions = Int32Array.from(tokens, (_, index) => this.#length + index);
    const batch = {
      tokens: Int32Array.from(tokens),
      positions,
      sequences: new Int32Array(tokens.length),
      blockTables: this.#table,
      blockTableWidth: this.#table.length,
      logitRows: Int32Array.of(tokens.length - 1),
    };
    await this.#session.step(batch, this.#logits);
    this.#length += tokens.length;
  }

  async fill(prompt: readonly number[]): Promise<void> {
    for (let from = 0; from < prompt.length; from += CHUNK) await this.append(prompt.slice(from, from + CHUNK));
  }

  /** Milliseconds of a step. */
  async time(): Promise<number> {
    const startedMs = performance.now();
    for (let step = 0; step < STEPS; step += 1) await this.append([(this.#length * 7919) % this.#vocab]);
    return (performance.now() - startedMs) / STEPS;
  }
}

/** Steps of both, alternating which one goes first. */
async function takeTurns(short: Context, long: Context): Promise<{ short: number; long: number }[]> {
  const rounds: { short: number; long: number }[] = [];
  for (let round = 0; round <= ROUNDS; round += 1) {
    const early = round % 2 === 0 ? await short.time() : null;
    const longMs = await long.time();
    rounds.push({ short: early ?? (await short.time()), long: longMs });
  }
  return rounds.slice(1);
}

/** Bytes that filling added, per token; null where the system does not tell. */
async function residentBytes(fill: () => Promise<void>, tokens: number): Promise<number | null> {
  const before = anonymousBytes();
  await fill();
  const after = anonymousBytes();
  return before === null || after === null ? null : (after - before) / tokens;
}

function rounded({ min, median, max }: Spread): readonly number[] {
  return [min, median, max].map((value) => Number(value.toFixed(3)));
}

const [folder, home, shortText = '512', longText = '8000', threads = '2'] = process.argv.slice(2);
if (folder === undefined || home === undefined) throw new Error('Expected MODEL and HOME as arguments');
const [shortTokens, longTokens] = [Number(shortText), Number(longText)];
const decoded = (ROUNDS + 1) * STEPS;
const blocksFor = (tokens: number): number => Math.ceil((tokens + decoded) / KV_BLOCK_TOKENS);
const kvTokens = (blocksFor(shortTokens) + blocksFor(longTokens)) * KV_BLOCK_TOKENS;
const engine = await openEngine(
  { folder, home, packs: 'all', events: { onProgress: () => undefined, onWait: () => undefined } },
  { ...DEFAULT_ENGINE, threads: Number(threads), kvTokens, maxRows: CHUNK },
);
const { session } = engine;
const { vocab } = engine.packs.description;
const short = new Context(session, vocab, 0, blocksFor(shortTokens));
const long = new Context(session, vocab, blocksFor(shortTokens), blocksFor(longTokens));
await short.fill(randomPrompt(vocab, shortTokens, 0));
const fillLong = () => long.fill(randomPrompt(vocab, longTokens, 1));
const resident = await residentBytes(fillLong, longTokens);
const rounds = await takeTurns(short, long);
console.log(
  JSON.stringify({
    short_ms: rounded(spreadOf(rounds.map((round) => round.short))),
    long_ms: rounded(spreadOf(rounds.map((round) => round.long))),
    ratio: rounded(spreadOf(rounds.map((round) => round.short / round.long))),
    kv_bytes_per_token: kvBytesPerToken(engine.packs.description),
    resident_bytes_per_token: resident === null ? null : Math.round(resident),
  }),
);
await engine.close();
