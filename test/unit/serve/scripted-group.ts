// A GenerationGroup with its real scheduler, between a queue, a stream and an engine of a few lines. The engine's next token
// is the last one + 1: a prompt that ends with "a" is answered "bcd…".
import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { GenerationRequest } from '../../../infra/messages/generation-request.ts';
import type { TokensEvent } from '../../../infra/messages/token-event.ts';
import type { FinishReason } from '../../../infra/queue/finish-generation.ts';
import type { Generation } from '../../../workers/generation/generation.ts';
import type { Line } from '../../../workers/queue/read-line.ts';
import type { TakenGeneration } from '../../../workers/queue/taken-generation.ts';
import { createConstraintCompiler } from '../../../workers/sampler/constraint-compiler.ts';
import { KvBlockPool } from '../../../workers/scheduler/kv-block-pool.ts';
import type { Scheduler } from '../../../workers/scheduler/scheduler.ts';
import { GenerationGroup, type GroupObserver } from '../../../workers/serve/generation-group.ts';
import type { Drafter } from '../../../workers/speculation/drafter.ts';
import type { StepExecutor } from '../../../workers/step/run-step.ts';
import { bytesOf, byteTokenizer } from '../../byte-tokenizer.ts';
import { CONSTANT_SHAPE, ConstantTimeScheduler } from '../../constant-time-scheduler.ts';
import { makeRequest } from '../../queue-fixture.ts';
import { logitsEngine } from '../../sample-logits.ts';

export const BLOCK_TOKENS = 4;
/** The engine is broken behind this token. */
export const BROKEN = '!';

export interface ScriptedStream {
  readonly events: TokensEvent[];
  end: FinishReason | null;
  /** Writes that had entries of it. */
  writes: number;
  /** Reason that the job failed with, null when it did not, undefined while it is open. */
  job: string | null | undefined;
}

export interface GroupScript {
  readonly taken: readonly TakenGeneration[];
  /** What predecessors published. */
  readonly published?: Readonly<Record<string, readonly TokensEvent[]>>;
  readonly kvBlocks?: number;
  readonly maxRows?: number;
  readonly maxSequences?: number;
  /** Without it, sixteen or as many as there may be sequences. */
  readonly maxGenerations?: number;
  /** Who is next in line; no tenant without it. `queue`: what can be taken. */
  readonly readLine?: (waitingHere: string | null, queue: readonly TakenGeneration[]) => Line | null;
  /** May put the request back into `queue`. */
  readonly onRelease?: (id: string, queue: TakenGeneration[], streams: ScriptedGroup['streams']) => void;
  /** Requests that come while step n is computed. */
  readonly arrivals?: ReadonlyMap<number, TakenGeneration>;
  /** What computes; without it the next token is the last one + 1. */
  readonly executor?: StepExecutor;
  readonly createDrafter?: () => Drafter;
  /** 0 unless said otherwise: every token is written at once. */
  readonly eventIntervalMs?: number;
  /** Called when step `number` (from 1) is about to be computed. */
  readonly onStep?: (number: number, group: ScriptedGroup) => void | Promise<void>;
}

export interface ScriptedGroup {
  readonly streams: ReadonlyMap<string, ScriptedStream>;
  readonly released: string[];
  readonly scheduler: Scheduler;
  /** Generations that observers were told of and whose end they were not. */
  readonly observed: ReadonlySet<Generation>;
  /** Tokens guessed, and those of them that were right. */
  readonly guesses: { guessed: number; accepted: number };
  /** Cancels a request between two steps. */
  cancel(id: string): void;
  /** Makes the stream refuse what is written: the request ended elsewhere. */
  endElsewhere(id: string): void;
  /** SIGTERM. */
  stop(): void;
}

/** A request for the answer to `prompt`, just taken from the queue. */
export function taken(prompt: string, change: Partial<GenerationRequest> = {}): TakenGeneration {
  const request = makeRequest({ prompts: [bytesOf(prompt)], ...change });
  return { request, lastSeq: 0, cancelled: false, attempt: 1, moreWait: true };
}

/** Runs a group until nothing is left to do. */
export async function runGroup(script: GroupScript): Promise<ScriptedGroup> {
  const stopped = new AbortController();
  const queue = [...script.taken];
  const cancelled: string[] = [];
  const gone = new Set<string>();
  const streams = new Map<string, ScriptedStream>(
    [...queue, ...(script.arrivals?.values() ?? [])].map(({ request }) => [
      request.id,
      { events: [], end: null, writes: 0, job: undefined },
    ]),
  );
  const scheduler = new ConstantTimeScheduler(
    new KvBlockPool(script.kvBlocks ?? 64, BLOCK_TOKENS),
    {
      blockTokens: BLOCK_TOKENS,
      maxRows: script.maxRows ?? 64,
      maxSequences: script.maxSequences ?? 16,
      interTokenTarget: 2,
      longestPause: 8,
    },
    CONSTANT_SHAPE,
    script.createDrafter ?? null,
  );
  const observed = new Set<Generation>();
  const observer: GroupObserver = {
    started: (generation) => void observed.add(generation),
    ended: (generation) => void observed.delete(generation),
    abandoned: (generation) => void observed.delete(generation),
    stepped: ({ guessed, accepted }) => {
      guesses.guessed += guessed;
      guesses.accepted += accepted;
    },
  };
  const guesses = { guessed: 0, accepted: 0 };
  const group: ScriptedGroup = {
    observed,
    guesses,
    streams,
    released: [],
    scheduler,
    cancel: (id) => void cancelled.push(id),
    endElsewhere: (id) => void gone.add(id),
    stop: () => stopped.abort(),
  };
  const streamOf = (id: string): ScriptedStream => {
    const stream = streams.get(id);
    assert.ok(stream !== undefined);
    return stream;
  };
  let steps = 0;
  const generations = new GenerationGroup({
    source: {
      takeNext: async () => queue.shift() ?? null,
      refuse: async () => {},
      done: async (id, failedReason) => {
        streamOf(id).job = failedReason;
      },
      release: async (id) => {
        group.released.push(id);
        script.onRelease?.(id, queue, streams);
      },
      readLine: async (waitingHere) => script.readLine?.(waitingHere, queue) ?? null,
      recover: async () => [],
      heardOfWork: () => true,
      waitForWork: async () => group.stop(),
      close: async () => {},
    },
    cancels: { drain: () => cancelled.splice(0), close: async () => {} },
    writer: {
      append: async (batch) => {
        // Redis answers while the next step is computed.
        await nextTurn();
        for (const { id, seq, event } of batch.filter((append) => !gone.has(append.id))) {
          const stream = streamOf(id);
          const before = (script.published?.[id] ?? []).length + stream.events.length;
          assert.equal(stream.end, null, 'nothing follows the end');
          assert.equal(seq, before + 1, 'no gap in the stream');
          stream.events.push(event);
        }
        const written = [...new Set(batch.map(({ id }) => id))];
        for (const id of written) streamOf(id).writes += 1;
        return written.filter((id) => gone.has(id));
      },
      finish: async (id, _seq, reason) => {
        streamOf(id).end = reason;
        return true;
      },
      close: async () => {},
    },
    scheduler,
    executor: beforeEachStep(script.executor ?? COUNTING, async () => {
      steps += 1;
      const arrived = script.arrivals?.get(steps);
      if (arrived !== undefined) queue.push(arrived);
      await script.onStep?.(steps, group);
    }),
    tokenizer: byteTokenizer,
    compileConstraint: createConstraintCompiler(byteTokenizer, VOCAB),
    readPublished: async (id) => script.published?.[id] ?? [],
    maxGenerations: script.maxGenerations ?? Math.max(16, script.maxSequences ?? 16),
    eventIntervalMs: script.eventIntervalMs ?? 0,
    observers: [observer],
  });
  await generations.run(stopped.signal, 0);
  return group;
}

const VOCAB = byteTokenizer.vocabSize;
const COUNTING = logitsEngine(VOCAB, ({ tokens, logitRows }, logits) => {
  for (const [index, row] of logitRows.entries()) {
    const last = tokens[row] ?? 0;
    if (last === BROKEN.charCodeAt(0)) logits.fill(Number.NaN, index * VOCAB, (index + 1) * VOCAB);
    logits[index * VOCAB + last + 1] = 1;
  }
});

function beforeEachStep({ vocab, step }: StepExecutor, before: () => Promise<void>): StepExecutor {
  return {
    vocab,
    step: async (batch, output) => {
      await before();
      await step(batch, output);
    },
  };
}

/** Text of a choice so far. */
export function textOf(stream: ScriptedStream | undefined, choice = 0): string {
  return (stream?.events ?? [])
    .filter((event) => event.choice === choice)
    .map(({ text }) => text)
    .join('');
}
