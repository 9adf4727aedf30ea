// A request in a worker: its choices with their sequences and answers, and where its token stream stands. Built from the
// request and the entries already published, so that any worker can go on with it.
import { countChoices, type GenerationRequest, promptOf } from '../../infra/messages/generation-request.ts';
import type { TokensEvent } from '../../infra/messages/token-event.ts';
import type { Tokenizer } from '../../infra/tokenizer/tokenizer.ts';
import type { TokenMasks } from '../../native/token-constraint.ts';
import type { SequenceSampling } from '../sampler/sequence-sampling.ts';
import { TokenCounts } from '../sampler/token-counts.ts';
import { createSequence, type Sequence } from '../scheduler/sequence.ts';
import { Answer } from './answer.ts';

/** One of the answers to a request. */
export interface Choice {
  readonly sequence: Sequence;
  readonly answer: Answer;
  readonly sampling: SequenceSampling;
}

/** What of its prompt a choice can repeat now, null when that is nothing. */
export function echoPrompt({ echo, sampling }: GenerationRequest, choice: Choice): TokensEvent | null {
  const { answer, sequence } = choice;
  const { promptLogprobs } = choice.sampling;
  if (!echo || answer.echoed === sequence.promptTokens) return null;
  if (sampling.logprobs === null) return answer.echo(sequence.promptTokens - answer.echoed, null);
  if (answer.echoed === 0) promptLogprobs.unshift({ id: sequence.tokens[0] ?? 0, logprob: null, top: [] });
  const logprobs = promptLogprobs.splice(0);
  return logprobs.length === 0 ? null : answer.echo(logprobs.length, logprobs);
}

export class Generation {
  readonly request: GenerationRequest;
  readonly choices: readonly Choice[];
  /** Seq of the next entry of the token stream. */
  nextSeq: number;

  /** `published`: the entries of the request's token stream so far, in order. `masks`: of its constraint; null leaves it free. */
  constructor(
    request: GenerationRequest,
    published: readonly TokensEvent[],
    tokenizer: Tokenizer,
    masks: TokenMasks | null,
  ) {
    this.request = request;
    this.nextSeq = published.length + 1;
    this.choices = Array.from({ length: countChoices(request) }, (_, index) => {
      const ofChoice = published.filter((event) => event.choice === index);
      return createChoice(request, index, ofChoice, tokenizer, masks);
    });
  }

  /** Choices that are not finished yet. */
  get open(): readonly Choice[] {
    return this.choices.filter((choice) => choice.answer.finish === null);
  }

  /** Prompt tokens whose KV came from the prefix cache when the first choice of each prompt was admitted; null before that. */
  get cachedTokens(): number | null {
    const firsts = this.request.prompts.map((_, prompt) => this.#cachedAtStart(prompt));
    return firsts.every((cached) => cached === null)
      ? null
      : firsts.reduce<number>((sum, each) => sum + (each ?? 0), 0);
  }

  #cachedAtStart(prompt: number): number | null {
    const first = prompt * this.request.choices;
    const ofPrompt = this.choices.slice(first, first + this.request.choices);
    return ofPrompt.find(({ sequence }) => sequence.cachedAtStart !== null)?.sequence.cachedAtStart ?? null;
  }

  get completionTokens(): number {
    return this.choices.reduce((sum, choice) => sum + choice.answer.generated, 0);
  }

  /** The next entry's seq; the entry is then as good as written. */
  takeSeq(): number {
    const seq = this.nextSeq;
    this.nextSeq += 1;
    return seq;
  }
}

function createChoice(
  request: GenerationRequest,
  index: number,
  published: readonly TokensEvent[],
  tokenizer: Tokenizer,
  masks: TokenMasks | null,
): Choice {
  const { tenant, maxTokens } = request;
  const promptTokens = promptOf(request, index);
  const answer = new Answer(request, index, tokenizer);
  const generated = published.flatMap(({ ids }) => ids);
  const echoed = published.reduce((sum, event) => sum + (event.echoed ?? 0), 0);
  if (echoed > 0) answer.echo(echoed, null);
  const constraint = masks?.start(request.stopTokens) ?? null;
  for (const id of generated) {
    constraint?.push(id);
    answer.push(id, null, constraint?.isOver);
  }
  // The logits of a position say how likely the token behind it was.
  const wantsLogits = request.echo && request.sampling.logprobs !== null;
  const promptLogitsFrom = wantsLogits ? Math.max(0, echoed - 1) : promptTokens.length;
  return {
    sequence: createSequence({
      id: `${request.id}/${index}`,
      tenant,
      promptTokens,
      generated,
      maxTokens,
      promptLogitsFrom,
      constraint,
    }),
    answer,
    sampling: {
      params: request.sampling,
      // Numbered for each prompt, so that a prompt in a list is answered as it would be alone.
      choice: index % request.choices,
      counts: TokenCounts.for(request.sampling, promptTokens, generated),
      constraint,
      promptLogprobs: [],
    },
  };
}
