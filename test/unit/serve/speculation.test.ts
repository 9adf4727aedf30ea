// Guessing tokens changes how many steps an answer takes, and nothing else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { GenerationRequest, SamplingParams } from '../../../infra/messages/generation-request.ts';
import type { TokensEvent } from '../../../infra/messages/token-event.ts';
import type { Drafter } from '../../../workers/speculation/drafter.ts';
import { NgramDrafter } from '../../../workers/speculation/ngram-drafter.ts';
import { bytesOf } from '../../byte-tokenizer.ts';
import { makeRequest } from '../../queue-fixture.ts';
import { kvTrackingEngine } from './kv-tracking-engine.ts';
import { BLOCK_TOKENS, runGroup, type ScriptedGroup, taken } from './scripted-group.ts';

/** Sure of itself, and right now and then: it repeats the last two tokens, and sometimes one. */
class RecklessDrafter implements Drafter {
  readonly most = 5;
  readonly chance = 1;
  follow(): void {}
  draft(tokens: readonly number[], count: number): readonly number[] {
    const [before, last] = tokens.slice(-2);
    const loop = tokens.length % 3 === 0 ? [97] : [before ?? 98, last ?? 99];
    return Array.from({ length: count }, (_, at) => loop[at % loop.length] ?? 0);
  }
}

const DRAFTERS: readonly (() => Drafter)[] = [() => new NgramDrafter(), () => new RecklessDrafter()];

const sampling: fc.Arbitrary<SamplingParams> = fc.record({
  temperature: fc.constantFrom(0, 0, 0.3, 1),
  topP: fc.constantFrom(1, 0.9),
  topK: fc.constantFrom(0, 3),
  minP: fc.constantFrom(0, 0.05),
  frequencyPenalty: fc.constantFrom(0, 0, 0.1),
  presencePenalty: fc.constantFrom(0, 0, 0.2),
  repetitionPenalty: fc.constantFrom(1, 1, 1.1),
  logitBias: fc.constantFrom<SamplingParams['logitBias']>([], [[98, 1]]),
  seed: fc.integer({ min: 0, max: 2 ** 53 - 1 }),
  logprobs: fc.constantFrom(null, { top: 2 }),
});

const text = (maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...'abcdef'), minLength: 1, maxLength });

const request: fc.Arbitrary<Partial<GenerationRequest>> = fc.record({
  prompts: text(30).map((prompt) => [bytesOf(prompt)]),
  maxTokens: fc.integer({ min: 1, max: 60 }),
  choices: fc.integer({ min: 1, max: 3 }),
  sampling,
  stop: fc.array(fc.string({ unit: fc.constantFrom(...'abcdef'), minLength: 2, maxLength: 4 }), { maxLength: 1 }),
  stopTokens: fc.constantFrom([], bytesOf('f')),
  tenant: fc.constantFrom('red', 'blue'),
});

function run(requests: readonly Partial<GenerationRequest>[], kvBlocks: number, createDrafter?: () => Drafter) {
  const all = requests.map((change, index) => taken('', { ...change, id: `request ${index}` }));
  const drafts = createDrafter === undefined ? {} : { createDrafter };
  return runGroup({ taken: all, kvBlocks, maxRows: 24, executor: kvTrackingEngine(BLOCK_TOKENS), ...drafts });
}

/** What the clients get, choice by choice; steps interleave choices differently. */
function streamsOf(group: ScriptedGroup): readonly unknown[] {
  return [...group.streams].map(([id, { events, end }]) => [
    id,
    [0, 1, 2].map((choice) => events.filter((event) => event.choice === choice)),
    end,
  ]);
}

test('guessing changes nothing of any stream, whatever is asked for and however full the cache is', async () => {
  const guesses = { guessed: 0, accepted: 0 };
  const property = fc.asyncProperty(
    fc.array(request, { minLength: 1, maxLength: 4 }),
    // The longest request needs 23 blocks; with so few, sequences give way to each other.
    fc.constantFrom(23, 30, 200),
    fc.constantFrom(...DRAFTERS),
    async (requests, kvBlocks, createDrafter) => {
      const plain = await run(requests, kvBlocks);
      const guessing = await run(requests, kvBlocks, createDrafter);
      assert.deepEqual(streamsOf(guessing), streamsOf(plain));
      assert.deepEqual([guessing.scheduler.kvUse, guessing.observed.size], [0, 0]);
      guesses.guessed += guessing.guesses.guessed;
      guesses.accepted += guessing.guesses.accepted;
    },
  );
  await fc.assert(property, { numRuns: 150, seed: 5 });
  assert.ok(guesses.accepted > 1000 && guesses.guessed - guesses.accepted > 1000, JSON.stringify(guesses));
});

test('a takeover between guessed tokens changes no token of any choice', async () => {
  const change = { prompts: [bytesOf('abcabc')], choices: 2, maxTokens: 40 };
  for (const temperature of [0, 0.5]) {
    const one = taken('', { ...change, id: 'moved', sampling: { ...makeRequest().sampling, temperature } });
    const executor = kvTrackingEngine(BLOCK_TOKENS);
    const undisturbed = (await runGroup({ taken: [one], executor })).streams.get('moved')?.events ?? [];
    for (const createDrafter of DRAFTERS) {
      for (let cut = 1; cut <= 30; cut += 1) {
        const onStep = (number: number, group: ScriptedGroup) => {
          if (number === cut) group.stop();
        };
        const first = await runGroup({ taken: [one], executor, createDrafter, onStep });
        const before = first.streams.get('moved')?.events ?? [];
        const resumed = { ...one, lastSeq: before.length };
        const published = { moved: before };
        const after = await runGroup({ taken: [resumed], published, executor, createDrafter });
        const events = [...before, ...(after.streams.get('moved')?.events ?? [])];
        for (const choice of [0, 1]) {
          const of = (all: readonly TokensEvent[]) => all.filter((event) => event.choice === choice);
          assert.deepEqual(of(events), of(undisturbed), `choice ${choice}, taken over after step ${cut}`);
        }
      }
    }
  }
});
