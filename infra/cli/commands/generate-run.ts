// `conclave generate`: one prompt, one answer, streamed to stdout.

import { describeModel } from '../../../workers/model/load-model.ts';
import type { StoredModel } from '../../../workers/model/stored-model.ts';
import type { Scheduler } from '../../../workers/scheduler/scheduler.ts';
import { generateLocally } from '../../../workers/serve/generate-locally.ts';
import { localExecutor } from '../../../workers/serve/local-executor.ts';
import { createScheduler, DEFAULT_ENGINE } from '../../../workers/serve/open-engine.ts';
import type { StepExecutor } from '../../../workers/step/run-step.ts';
import { DomainError } from '../../errors/domain-error.ts';
import { type GenerationRequest, GREEDY } from '../../messages/generation-request.ts';
import { createChatTemplate, encodeChat } from '../../tokenizer/chat-template.ts';
import { createTokenizer } from '../../tokenizer/create-tokenizer.ts';
import type { Tokenizer } from '../../tokenizer/tokenizer.ts';
import { namingFolder, readTokenizerFiles, type TokenizerFiles } from '../../tokenizer/tokenizer-files.ts';
import { withLocalEngine } from '../open-local-engine.ts';
import { type LocalGroupFlags, withLocalGroup } from '../open-local-group.ts';
import { provideModel } from '../provide-model.ts';

export interface GenerateOptions extends LocalGroupFlags {
  readonly prompt: string;
  readonly chat?: true;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly seed: number;
  readonly json?: true;
}

/** What computes: one session, or several nodes. */
interface Computer {
  readonly scheduler: Scheduler;
  readonly executor: StepExecutor;
}

export async function generateCommand(flags: GenerateOptions): Promise<void> {
  const options = { ...flags, model: (await provideModel(flags.model)).folder };
  const { tokenizer, request } = await prepareRequest(options);
  await withComputer(options, (computer) => generate(options, computer, tokenizer, request));
}

/** Before the weights are packed and loaded, which may take minutes. */
async function prepareRequest(options: GenerateOptions) {
  const model = await describeModel(options.model);
  const files = await readTokenizerFiles(options.model, model.family);
  return namingFolder(options.model, async () => {
    const tokenizer = await createTokenizer(files);
    return { tokenizer, request: requestOf(options, model, tokenizer, await encodePrompt(options, files, tokenizer)) };
  });
}

async function withComputer(options: GenerateOptions, use: (computer: Computer) => Promise<void>): Promise<void> {
  const settings = { maxSequences: 1 };
  if (options.nodes === 1) {
    return withLocalEngine(options, settings, ({ scheduler, session }) =>
      use({ scheduler, executor: localExecutor(session) }),
    );
  }
  if (options.variant !== '') {
    const message = '--variant applies to a single node only. Use it with --nodes 1.';
    throw new DomainError('invalid_request', message, { param: '--variant' });
  }
  await withLocalGroup(options, ({ held, size }, executor) => {
    const scheduler = createScheduler(held.source.description, size.kvBlocks, { ...DEFAULT_ENGINE, ...settings });
    return use({ scheduler, executor });
  });
}

async function encodePrompt(options: GenerateOptions, files: TokenizerFiles, tokenizer: Tokenizer): Promise<number[]> {
  if (options.chat === undefined) {
    return tokenizer.encode(options.prompt, { specials: 'parsed', addPromptTokens: true });
  }
  const template = createChatTemplate(files, tokenizer);
  if (template === null)
    throw new DomainError('invalid_request', `${options.model} has no chat template. Leave out --chat.`);
  const messages = [{ role: 'user', content: options.prompt }];
  return encodeChat(tokenizer, template, { messages, tools: null, addGenerationPrompt: true });
}

function requestOf(
  options: GenerateOptions,
  { maxContext, vocab }: Pick<StoredModel, 'maxContext' | 'vocab'>,
  tokenizer: Tokenizer,
  promptTokens: number[],
): GenerationRequest {
  const room = maxContext - promptTokens.length;
  const tooLarge = promptTokens.find((id) => id >= vocab);
  if (tooLarge !== undefined) {
    const message = `The tokenizer produced token ${tooLarge}, but the model's vocabulary has ${vocab} tokens. Use the tokenizer files that came with the model.`;
    throw new DomainError('bad_tokenizer', message);
  }
  if (promptTokens.length === 0)
    throw new DomainError('invalid_request', 'The prompt has no tokens. Give a longer one with --prompt.', {
      param: '--prompt',
    });
  if (room < 1) {
    const message = `The prompt has ${promptTokens.length} tokens, but the model's context holds ${maxContext} including the answer. Shorten the prompt.`;
    throw new DomainError('context_length_exceeded', message, { param: '--prompt' });
  }
  return {
    id: 'local',
    model: options.model,
    tenant: 'local',
    prompts: [promptTokens],
    maxTokens: Math.min(options.maxTokens, room),
    echo: false,
    choices: 1,
    sampling: { ...GREEDY, temperature: options.temperature, seed: options.seed },
    constraint: null,
    stop: [],
    stopTokens: tokenizer.eosIds,
    createdAtMs: 0,
    resumeSeconds: 0,
    traceparent: '',
  };
}

async function generate(
  options: GenerateOptions,
  { scheduler, executor }: Computer,
  tokenizer: Tokenizer,
  request: GenerationRequest,
): Promise<void> {
  const ids: number[] = [];
  let text = '';
  let firstTokenMs = 0;
  for await (const event of generateLocally({ scheduler, executor, tokenizer }, request)) {
    if (ids.length === 0) firstTokenMs = performance.now();
    ids.push(...event.ids);
    text += event.text;
    if (options.json === undefined) process.stdout.write(event.text);
  }
  // The first token is the prompt's; the rate is that of the tokens after it.
  const seconds = (performance.now() - firstTokenMs) / 1000;
  const rate = ids.length > 1 ? (ids.length - 1) / seconds : 0;
  if (options.json === undefined) {
    process.stdout.write('\n');
    process.stderr.write(`${ids.length} tokens, ${rate.toFixed(1)} per second\n`);
  } else {
    process.stdout.write(`${JSON.stringify({ text, token_ids: ids, tokens_per_second: rate })}\n`);
  }
}
