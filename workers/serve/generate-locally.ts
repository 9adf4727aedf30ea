// Generates for one request without Redis: the CLI's `generate`, and the yardstick of what gateway and queue add.
import type { GenerationRequest } from '../../infra/messages/generation-request.ts';
import type { TokensEvent } from '../../infra/messages/token-event.ts';
import type { Tokenizer } from '../../infra/tokenizer/tokenizer.ts';
import { echoPrompt, Generation } from '../generation/generation.ts';
import type { CompileConstraint } from '../sampler/constraint-compiler.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import { runStep, type StepExecutor } from '../step/run-step.ts';

export interface LocalParts {
  readonly scheduler: Scheduler;
  readonly executor: StepExecutor;
  readonly tokenizer: Tokenizer;
  /** Without it, requests must have no constraint. */
  readonly compileConstraint?: CompileConstraint;
}

/** Yields the events that would be the request's token stream. Throws DomainError when logits cannot be sampled. */
export async function* generateLocally(parts: LocalParts, request: GenerationRequest): AsyncGenerator<TokensEvent> {
  for await (const { event } of generateTogether(parts, [request])) yield event;
}

/** An event of one of several requests: `request` is its place among them. */
export interface PlacedEvent {
  readonly request: number;
  readonly event: TokensEvent;
}

/** As `generateLocally`, for requests that start at the same moment and share their steps. */
export async function* generateTogether(
  { scheduler, executor, tokenizer, compileConstraint }: LocalParts,
  requests: readonly GenerationRequest[],
): AsyncGenerator<PlacedEvent> {
  const generations = requests.map((request) => {
    const masks = request.constraint === null ? null : compileConstraint?.(request.constraint, request.tenant);
    if (masks === undefined) throw new TypeError('A request has a constraint, but nothing compiles it');
    return new Generation(request, [], tokenizer, masks);
  });
  const owners = new Map(generations.flatMap(ownersOf));
  const echo = function* (): Generator<PlacedEvent> {
    for (const [sequence, { generation, choice, request }] of owners) {
      const event = choice.answer.finish === null ? echoPrompt(generation.request, choice) : null;
      if (event?.finish) scheduler.remove(sequence);
      if (event !== null) yield { request, event };
    }
  };
  for (const sequence of owners.keys()) scheduler.add(sequence);
  yield* echo();
  while (generations.some(({ open }) => open.length > 0)) {
    const { tokens } = await runStep({
      scheduler,
      executor,
      of: (sequence) => owners.get(sequence)?.choice.sampling ?? null,
      onFailure: (_sequence, reason) => {
        throw reason;
      },
    });
    yield* echo();
    for (const { sequence, id, logprob, last } of tokens) {
      const owner = owners.get(sequence);
      // What was guessed behind the end is not part of the answer.
      if (owner === undefined || owner.choice.answer.finish !== null) continue;
      const event = owner.choice.answer.push(id, logprob, last);
      if (event.finish !== null) scheduler.remove(sequence);
      yield { request: owner.request, event };
    }
  }
}

function ownersOf(generation: Generation, request: number) {
  return generation.choices.map((choice) => [choice.sequence, { generation, choice, request }] as const);
}
