// What every client is put through, whichever its language: questions to the demo model and what it answers.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY_ROOT } from '../../repository-root.ts';

export const CLIENTS_FOLDER = join(REPOSITORY_ROOT, 'test', 'e2e', 'clients');

/** Fields of a request, named as OpenAI's API names them. */
export interface RequestFields {
  readonly temperature?: number;
  readonly max_tokens?: number;
  readonly seed?: number;
  readonly frequency_penalty?: number;
  readonly logit_bias?: Readonly<Record<string, number>>;
}

interface Cases {
  readonly question: string;
  readonly answer: string;
  readonly followUp: string;
  /** Right only for a model that has seen the question and its answer. */
  readonly followUpAnswer: string;
  readonly sampling: RequestFields;
  readonly unknownModel: string;
  readonly unknownKey: string;
  /** A field beyond its range that no client checks itself. */
  readonly badRequest: RequestFields;
  /** Words of a prompt that is longer than the context. */
  readonly tooLongWords: number;
  /** Keeps the model from ending its answer before `max_tokens` or the end of its context. */
  readonly endless: RequestFields;
  /** Two such answers nearly fill the context. */
  readonly longAnswerTokens: number;
  /** A question for which `get_weather(city)` has to be called, and what the model makes of its result. */
  readonly tool: { readonly question: string; readonly city: string; readonly result: string; readonly answer: string };
  /** A character of four tokens, one a byte, and fields that make an answer full of its bytes. */
  readonly emoji: { readonly text: string; readonly fields: RequestFields };
}

export const CASES: Cases = JSON.parse(readFileSync(join(CLIENTS_FOLDER, 'cases.json'), 'utf8'));
