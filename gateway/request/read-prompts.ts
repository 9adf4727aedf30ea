// The `prompt` of a completion, which is one prompt or a list of them, each as text or as token ids -> tokens of each.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { ServedModel } from '../parts.ts';
import type { EncodedPrompt } from './build-generation-request.ts';
import type { CompletionBody } from './completion-schema.ts';

interface Prompt {
  readonly field: string;
  readonly value: string | readonly number[];
}

/**
 * Encodes every prompt. `mostAnswers`: the limit of prompts times `n`.
 * @throws DomainError `invalid_request` for too many prompts, one without a token, or a token that the model lacks, and what
 * `encodeText` throws.
 */
export async function readPrompts(
  { prompt, n }: CompletionBody,
  model: ServedModel,
  tenant: string,
  mostAnswers: number,
): Promise<readonly EncodedPrompt[]> {
  const prompts = listPrompts(prompt);
  if (prompts.length * (n ?? 1) > mostAnswers) {
    const message = `Invalid 'prompt': expected at most ${mostAnswers} answers, which is the number of prompts times 'n'.`;
    throw new DomainError('invalid_request', message, { param: 'prompt' });
  }
  const encoded: EncodedPrompt[] = [];
  // One after the other: a request takes no more of the tokenizer at a time than a single prompt does.
  for (const { field, value } of prompts) {
    const tokens = typeof value === 'string' ? await model.encodeText(value, tenant) : value;
    checkTokens(field, tokens, model.vocab);
    encoded.push({ field, tokens });
  }
  return encoded;
}

function listPrompts(prompt: CompletionBody['prompt']): readonly Prompt[] {
  if (typeof prompt === 'string' || isTokens(prompt)) return [{ field: 'prompt', value: prompt }];
  return prompt.map((value, at) => ({ field: prompt.length === 1 ? 'prompt' : `prompt[${at}]`, value }));
}

function isTokens(prompt: Exclude<CompletionBody['prompt'], string>): prompt is number[] {
  return typeof prompt[0] === 'number';
}

function checkTokens(param: string, tokens: readonly number[], vocab: number): void {
  if (tokens.length === 0) {
    throw new DomainError('invalid_request', `Invalid '${param}': expected at least one token.`, { param });
  }
  const wrong = tokens.find((id) => id >= vocab);
  if (wrong === undefined) return;
  const message = `Invalid '${param}': expected token ids below ${vocab}, the size of the model's vocabulary, but received ${wrong}.`;
  throw new DomainError('invalid_request', message, { param });
}
