// Generates for one request without Redis: the CLI's `generate`, and the yardstick of what gateway and queue add.
import type { GenerationRequest } from '../../infra/messages/generation-request.ts';
import type { TokensEvent } from '../../infra/messages/token-event.ts';
import type { Tokenizer } from '../../infra/tokenizer/tokenizer.ts';
import { Generation, sampleNext } from '../generation/generation.ts';
import { createSamplerScratch } from '../sampler/sampler-scratch.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import { runStep, type StepExecutor } from '../step/run-step.ts';

export interface LocalParts {
  readonly scheduler: Scheduler;
  readonly executor: StepExecutor;
  readonly tokenizer: Tokenizer;
}

/** Yields the events that would be the request's token stream. Throws DomainError when logits cannot be sampled. */
export async function* generateLocally(parts: LocalParts, request: GenerationRequest): AsyncGenerator<TokensEvent> {
  const { scheduler, executor, tokenizer } = parts;
  const generation = new Generation(request, [], tokenizer);
  const scratch = createSamplerScratch(executor.vocab);
  const choiceOf = new Map(generation.choices.map((choice) => [choice.sequence, choice]));
  for (const { sequence } of generation.choices) scheduler.add(sequence);
  while (generation.open.length > 0) {
    const { tokens } = await runStep({
      scheduler,
      executor,
      sample: (sequence, logits) => {
        const choice = choiceOf.get(sequence);
        return choice === undefined ? null : sampleNext(request, choice, logits, scratch);
      },
      onFailure: (_sequence, reason) => {
        throw reason;
      },
    });
    for (const { sequence, id, logprob } of tokens) {
      const choice = choiceOf.get(sequence);
      // What was guessed behind the end is not part of the answer.
      if (choice === undefined || choice.answer.finish !== null) continue;
      const event = choice.answer.push(id, logprob);
      if (event.finish !== null) scheduler.remove(sequence);
      yield event;
    }
  }
}
