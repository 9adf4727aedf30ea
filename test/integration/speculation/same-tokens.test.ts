// Guessing tokens on the real engine: several rows of a sequence in one step, wrong ones overwritten, and the same bits.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { compileConstraint } from '../../../gateway/constraint/compile-constraint.ts';
import { jsonSchema } from '../../../gateway/constraint/schema/json-schema.ts';
import {
  type GenerationRequest,
  GREEDY,
  promptOf,
  type SamplingParams,
} from '../../../infra/messages/generation-request.ts';
import type { TokensEvent } from '../../../infra/messages/token-event.ts';
import { createTokenizer } from '../../../infra/tokenizer/create-tokenizer.ts';
import type { Tokenizer } from '../../../infra/tokenizer/tokenizer.ts';
import { readTokenizerFiles } from '../../../infra/tokenizer/tokenizer-files.ts';
import { expertShape } from '../../../native/model-description.ts';
import { KV_BLOCK_TOKENS } from '../../../native/model-session.ts';
import type { OpenedPacks } from '../../../workers/pack/open-packs.ts';
import { createConstraintCompiler } from '../../../workers/sampler/constraint-compiler.ts';
import { KvBlockPool } from '../../../workers/scheduler/kv-block-pool.ts';
import type { Sequence } from '../../../workers/scheduler/sequence.ts';
import { generateLocally } from '../../../workers/serve/generate-locally.ts';
import { localExecutor } from '../../../workers/serve/local-executor.ts';
import { DEFAULT_ENGINE, openEngine } from '../../../workers/serve/open-engine.ts';
import type { Drafter } from '../../../workers/speculation/drafter.ts';
import { ForcedDrafter } from '../../../workers/speculation/forced-drafter.ts';
import { NgramDrafter } from '../../../workers/speculation/ngram-drafter.ts';
import type { StepExecutor } from '../../../workers/step/run-step.ts';
import { CONSTANT_SHAPE, ConstantTimeScheduler } from '../../constant-time-scheduler.ts';
import { LocalGroup } from '../../local-group.ts';
import { REPOSITORY_ROOT } from '../../repository-root.ts';
import { startRedis } from '../../start-redis.ts';
import { syntheticModel } from '../../synthetic-model.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

/** Alternately right and wrong: the known answer with every fifth token changed. */
class FlawedDrafter implements Drafter {
  readonly most = 6;
  readonly chance = 1;
  readonly #text: readonly number[];
  constructor(text: readonly number[]) {
    this.#text = text;
  }
  follow(): void {}
  draft(tokens: readonly number[], count: number): readonly number[] {
    const right = this.#text.slice(tokens.length, tokens.length + count);
    return right.map((id, at) => ((tokens.length + at) % 5 === 0 ? Math.abs(id - 1) : id));
  }
}

interface Run {
  readonly events: readonly TokensEvent[];
  readonly steps: number;
}

async function run(
  engine: StepExecutor,
  tokenizer: Tokenizer,
  request: GenerationRequest,
  createDrafter: ((sequence: Sequence) => Drafter) | null,
): Promise<Run> {
  const limits = { ...DEFAULT_ENGINE, blockTokens: KV_BLOCK_TOKENS, maxRows: 64 };
  const scheduler = new ConstantTimeScheduler(
    new KvBlockPool(16, KV_BLOCK_TOKENS),
    limits,
    CONSTANT_SHAPE,
    createDrafter,
  );
  let steps = 0;
  const executor = {
    vocab: engine.vocab,
    step: (...args: Parameters<StepExecutor['step']>) => {
      steps += 1;
      return engine.step(...args);
    },
  };
  const events: TokensEvent[] = [];
  const compile = createConstraintCompiler(tokenizer, engine.vocab);
  const parts = { scheduler, executor, tokenizer, compileConstraint: compile };
  for await (const event of generateLocally(parts, request)) events.push(event);
  return { events, steps };
}

const SAMPLING: readonly Partial<SamplingParams>[] = [
  {},
  { temperature: 1, seed: 4 },
  { temperature: 0.7, topP: 0.9, repetitionPenalty: 1.2, frequencyPenalty: 0.2, seed: 5, logprobs: { top: 3 } },
];

const guessRepetitions = () => new NgramDrafter();
const guessForced = ({ constraint }: Sequence) => {
  assert.ok(constraint !== null);
  return new ForcedDrafter(constraint, new NgramDrafter());
};

/** `guesser` verifies guesses, `engine` gives the answer token by token. */
async function compare(
  engine: StepExecutor,
  tokenizer: Tokenizer,
  request: GenerationRequest,
  guesser = engine,
): Promise<void> {
  for (const change of SAMPLING) {
    const asked = { ...request, sampling: { ...request.sampling, ...change } };
    const single = await run(engine, tokenizer, asked, null);
    const ids = single.events.flatMap((event) => event.ids);
    if (asked.constraint !== null) assert.match(single.events.map(({ text }) => text).join(''), FITTING);
    const flawed = () => new FlawedDrafter([...promptOf(asked, 0), ...ids]);
    for (const createDrafter of [flawed, guessRepetitions, ...(asked.constraint === null ? [] : [guessForced])]) {
      const guessing = await run(guesser, tokenizer, asked, createDrafter);
      assert.deepEqual(guessing.events, single.events);
      if (createDrafter === guessForced) assert.ok(guessing.steps < single.steps, `${guessing.steps} steps`);
      if (createDrafter === flawed) assert.ok(guessing.steps < 0.6 * single.steps, `${guessing.steps} steps`);
    }
  }
}

/** Much of what matches it is forced, and more than one token can spell it. */
const CONSTRAINT = compileConstraint(
  jsonSchema(
    {
      type: 'object',
      properties: {
        'a long name': { enum: ['a long value', 'a longer value', 'another'] },
        numbers: { type: 'array', items: { type: 'integer', minimum: -50, maximum: 5_000 }, minItems: 3, maxItems: 9 },
        text: { type: 'string', minLength: 12, maxLength: 20 },
      },
      required: ['a long name', 'numbers', 'text'],
      additionalProperties: false,
    },
    'schema',
  ),
);

const FITTING =
  /^\s*\{\s*"a long name": *"a(?: long value| longer value|nother)",\s*"numbers": *\[[-\d,\s]+\],\s*"text": *".*"\s*\}$/s;

function requestFor(promptTokens: readonly number[], tokenizer: Tokenizer): GenerationRequest {
  return {
    id: 'same',
    model: 'model',
    tenant: 'tenant',
    prompts: [promptTokens],
    maxTokens: 100,
    echo: false,
    choices: 1,
    // An answer of random length would test little.
    sampling: { ...GREEDY, logitBias: tokenizer.eosIds.map((id) => [id, -100] as const) },
    constraint: null,
    stop: [],
    stopTokens: tokenizer.eosIds,
    createdAtMs: 0,
    resumeSeconds: 0,
    traceparent: '',
  };
}

async function withEngine(
  folder: string,
  home: string,
  use: (engine: StepExecutor, tokenizer: Tokenizer, packs: OpenedPacks) => Promise<void>,
): Promise<void> {
  const events = { onProgress: () => undefined, onWait: () => undefined };
  const options = { ...DEFAULT_ENGINE, threads: 2, kvTokens: 16 * KV_BLOCK_TOKENS, maxRows: 64 };
  const engine = await openEngine({ folder, home, packs: 'all', events }, options);
  try {
    const tokenizer = await createTokenizer(await readTokenizerFiles(folder, engine.packs.description.family));
    await use(localExecutor(engine.session), tokenizer, engine.packs);
  } finally {
    await engine.close();
  }
}

for (const dtype of ['bf16', 'f32'] as const) {
  test(`random weights in ${dtype} answer with the same tokens and log-probabilities`, async (t) => {
    const home = await temporaryFolder(t);
    await withEngine(await syntheticModel(home, dtype, { dtype }), home, async (engine, tokenizer) => {
      const request = requestFor([5, 6, 7, 8, 5, 6, 7], tokenizer);
      await compare(engine, tokenizer, request);
      await compare(engine, tokenizer, { ...request, constraint: CONSTRAINT });
    });
  });
}

for (const topology of ['centralized', 'decentralized'] as const) {
  test(`two nodes, ${topology}: guesses verified by a group change no token`, async (t) => {
    const [home, redis] = [await temporaryFolder(t), await startRedis(t, 'exchange')];
    await withEngine(await syntheticModel(home, 'bf16', { dtype: 'bf16' }), home, async (engine, tokenizer, packs) => {
      const experts = Array.from({ length: expertShape(packs.description).experts }, (_, expert) => expert);
      const halves = [0, 1].map((node) => experts.filter((expert) => expert % 2 === node));
      const group = await LocalGroup.open({ packs, exchangeUrl: redis.url, experts: halves, topology });
      try {
        await group.use();
        const request = requestFor([5, 6, 7, 8, 5, 6, 7], tokenizer);
        await compare(engine, tokenizer, request, group.executor);
        await compare(engine, tokenizer, { ...request, constraint: CONSTRAINT }, group.executor);
      } finally {
        await group.close();
      }
    });
  });
}

test('the demo model answers with the same tokens, in fewer steps where it repeats itself', async (t) => {
  await withEngine(join(REPOSITORY_ROOT, 'models', 'demo'), await temporaryFolder(t), async (engine, tokenizer) => {
    const prompt = await tokenizer.encode('dog house. '.repeat(8), { specials: 'parsed', addPromptTokens: true });
    const request = requestFor(prompt, tokenizer);
    await compare(engine, tokenizer, request);
    // Small models run into loops when they may not stop.
    const guessing = await run(engine, tokenizer, { ...request, maxTokens: 300 }, () => new NgramDrafter());
    assert.ok(guessing.steps < 200, `${guessing.steps} steps for 300 tokens`);
  });
});
