// What constraints cost, on the engine without Redis. METHODOLOGY.md has the rules.
// Usage: node dist/test/bench/constrained.js MODEL HOME [STREAMS THREADS TOKENS]. Each line is JSON:
//   masks    times of single masks over the model's vocabulary, in microseconds: median, 99 percent; compile_ms: of a schema
//   decode   tokens per second of all streams, free and constrained, alternately: smallest, median, largest of the rounds; ratio: of
//            constrained to free within each round

import { compileConstraint } from '../../gateway/constraint/compile-constraint.ts';
import { jsonSchema } from '../../gateway/constraint/schema/json-schema.ts';
import { randomPrompt } from '../../infra/cli/bench/bench-requests.ts';
import { spreadOf } from '../../infra/cli/bench/statistics.ts';
import type { Constraint } from '../../infra/messages/constraint.ts';
import { GREEDY } from '../../infra/messages/generation-request.ts';
import { createTokenizer } from '../../infra/tokenizer/create-tokenizer.ts';
import { readTokenizerFiles } from '../../infra/tokenizer/tokenizer-files.ts';
import { type CompileConstraint, createConstraintCompiler } from '../../workers/sampler/constraint-compiler.ts';
import { generateTogether } from '../../workers/serve/generate-locally.ts';
import { localExecutor } from '../../workers/serve/local-executor.ts';
import { createScheduler, DEFAULT_ENGINE, type Engine, openEngine } from '../../workers/serve/open-engine.ts';
import { HAND_MADE } from '../constraint-schemas.ts';
import { requestFixture } from '../request-fixture.ts';

const ROUNDS = 7;

/** Long answers: texts in a list. */
const TEXTS = {
  type: 'array',
  items: {
    type: 'object',
    properties: { title: { type: 'string' }, body: { type: 'string', minLength: 400 } },
    required: ['title', 'body'],
    additionalProperties: false,
  },
  minItems: 100,
};

function timeCompile(): readonly number[] {
  return HAND_MADE.map((schema) => {
    const started = performance.now();
    compileConstraint(jsonSchema(schema, 'schema'));
    return performance.now() - started;
  });
}

/** Masks along greedy walks that take the first allowed token from a random place on. */
function timeMasks(compile: CompileConstraint, vocab: number, ends: readonly number[]): readonly number[] {
  const mask = new Uint32Array(2 * Math.ceil(vocab / 64));
  const times: number[] = [];
  for (const schema of HAND_MADE) {
    const state = compile(compileConstraint(jsonSchema(schema, 'schema')), 'bench').start(ends);
    for (let step = 0; step < 40; step += 1) {
      const started = performance.now();
      state.mask(mask);
      times.push(1000 * (performance.now() - started));
      const id = firstAllowed(mask, (step * 7919) % mask.length);
      if (id === null || ends.includes(id) || !state.push(id)) break;
    }
  }
  return times;
}

function firstAllowed(mask: Uint32Array, from: number): number | null {
  for (let at = 0; at < mask.length; at += 1) {
    const word = (from + at) % mask.length;
    const bits = mask[word] ?? 0;
    if (bits !== 0) return word * 32 + (31 - Math.clz32(bits));
  }
  return null;
}

const share = (times: readonly number[], part: number) =>
  [...times].sort((a, b) => a - b)[Math.floor(part * times.length)] ?? 0;

async function tokensPerSecond(
  parts: Parameters<typeof generateTogether>[0],
  vocab: number,
  streams: number,
  tokens: number,
  constraint: Constraint | null,
): Promise<number> {
  const sampling = { ...GREEDY, temperature: 1 };
  const requests = Array.from({ length: streams }, (_, at) =>
    requestFixture({
      id: `r${at}`,
      prompts: [randomPrompt(vocab, 16, at)],
      maxTokens: tokens,
      sampling: { ...sampling, seed: at },
      constraint,
    }),
  );
  let count = 0;
  const started = performance.now();
  for await (const { event } of generateTogether(parts, requests)) count += event.ids.length;
  return (1000 * count) / (performance.now() - started);
}

async function bench(engine: Engine, folder: string, streams: number, tokens: number): Promise<void> {
  const { description } = engine.packs;
  const tokenizer = await createTokenizer(await readTokenizerFiles(folder, description.family));
  const compileConstraintOf = createConstraintCompiler(tokenizer, description.vocab);
  const compileMs = timeCompile();
  const us = timeMasks(compileConstraintOf, description.vocab, tokenizer.eosIds);
  console.log(
    JSON.stringify({
      masks: { count: us.length, p50: share(us, 0.5), p99: share(us, 0.99) },
      compile_ms: { p50: share(compileMs, 0.5), p95: share(compileMs, 0.95) },
    }),
  );
  const parts = () => ({
    scheduler: createScheduler(description, engine.session.options.kvBlocks, { ...DEFAULT_ENGINE, speculation: 'off' }),
    executor: localExecutor(engine.session),
    tokenizer,
    compileConstraint: compileConstraintOf,
  });
  const rounds: { free: number; constrained: number }[] = [];
  const constraint = compileConstraint(jsonSchema(TEXTS, 'schema'));
  for (let round = 0; round <= ROUNDS; round += 1) {
    const free = await tokensPerSecond(parts(), description.vocab, streams, tokens, null);
    const constrained = await tokensPerSecond(parts(), description.vocab, streams, tokens, constraint);
    if (round > 0) rounds.push({ free, constrained });
  }
  const ratios = rounds.map(({ free, constrained }) => constrained / free);
  console.log(
    JSON.stringify({
      decode: {
        streams,
        free: spreadOf(rounds.map(({ free }) => free)),
        constrained: spreadOf(rounds.map(({ constrained }) => constrained)),
        ratio: spreadOf(ratios),
      },
    }),
  );
}

const [folder = '', home = '', streams = '16', threads = '2', tokens = '48'] = process.argv.slice(2);
const load = { folder, home, packs: 'all', events: { onProgress: () => undefined, onWait: () => undefined } } as const;
const engine = await openEngine(load, { ...DEFAULT_ENGINE, threads: Number(threads), kvTokens: 64 * 64 });
try {
  await bench(engine, folder, Number(streams), Number(tokens));
} finally {
  await engine.close();
}
