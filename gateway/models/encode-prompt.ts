// Prompt -> token ids, inside an encoder process. Prompts and templates have bounds: scripts in time, text in size before it is
// encoded. An abort of native code or V8 in spite of them ends only this process.
import { DomainError } from '../../infra/errors/domain-error.ts';
import { createChatTemplate, encodeRendered } from '../../infra/tokenizer/chat-template.ts';
import { createTokenizer } from '../../infra/tokenizer/create-tokenizer.ts';
import { GUARD } from '../../infra/tokenizer/guard-text.ts';
import type { Tokenizer } from '../../infra/tokenizer/tokenizer.ts';
import { readTokenizerConfig } from '../../infra/tokenizer/tokenizer-config.ts';
import { detectFormats } from '../answer-formats/detect-formats.ts';
import { REASONING_FORMATS } from '../answer-formats/formats.ts';
import type { AnswerTraits } from '../parts.ts';
import type { EncodedPrompt, EncoderModel, LoadedModel, Prompt } from './encoder-messages.ts';
import { interruptedAfter } from './interrupt-script.ts';
import { limitedTemplate } from './limited-template.ts';
import { promptField, refuseTooManyBytes, tooManyTokens } from './prompt-size.ts';
import { longestToken, tokenTable } from './token-table.ts';

export interface PromptEncoder {
  readonly loaded: LoadedModel;
  /**
   * `onEncoding` is called when the template has been rendered.
   * @throws DomainError `invalid_request` or `context_length_exceeded`
   */
  encode(prompt: Prompt, onEncoding: () => void): Promise<EncodedPrompt>;
}

/** Text longer than this many characters per token of the context is counted window by window before it is encoded. */
const WINDOW_PER_TOKEN = 8;
const SMALLEST_WINDOW = 65_536;
const LARGEST_WINDOW = 1_048_576;
/** Tokens that a cut at the edge of a window can add. */
const CUT_TOKENS = 256;

/** @throws DomainError `bad_tokenizer` naming the file */
export async function createPromptEncoder(model: EncoderModel): Promise<PromptEncoder> {
  const tokenizer = await createTokenizer(model.files);
  const traits = detectFormats(readTokenizerConfig(model.files).chatTemplates.values(), tokenizer.addedTokens);
  const render = limitedTemplate({ ...model, traits }, createChatTemplate(model.files, tokenizer));
  const isOpen = reasoningOpenAt(traits);
  const table = tokenTable(tokenizer);
  const context = { maxContext: model.maxContext, longestToken: longestToken(table) };
  return {
    loaded: { table, traits },
    encode: async (prompt, onEncoding) => {
      const text = prompt.kind === 'text' ? prompt.text : render(prompt.conversation);
      onEncoding();
      refuseTooManyBytes(Buffer.byteLength(text.replaceAll(GUARD, '')), prompt.kind, context);
      const encode = (part: string) =>
        encodeWithin(model.scriptMs + Math.ceil(part.length / 100), tokenizer, prompt.kind, part);
      await refuseByWindows(text, prompt.kind, model.maxContext, encode);
      const ids = Int32Array.from(await encode(text));
      return { ids, reasoningOpen: prompt.kind === 'chat' && isOpen(text) };
    },
  };
}

/** Whether the text of a prompt ends where reasoning has begun. */
function reasoningOpenAt({ reasoning }: AnswerTraits): (text: string) => boolean {
  const format = reasoning === null ? undefined : REASONING_FORMATS.get(reasoning);
  return (text) => format !== undefined && text.trimEnd().endsWith(format.open);
}

/** Tokens are counted in windows of bounded size, so memory does not grow with a prompt that is refused in the end. */
async function refuseByWindows(
  text: string,
  kind: Prompt['kind'],
  maxContext: number,
  encode: (part: string) => Promise<readonly number[]>,
): Promise<void> {
  const window = Math.min(Math.max(SMALLEST_WINDOW, WINDOW_PER_TOKEN * maxContext), LARGEST_WINDOW);
  let atLeast = 0;
  for (let from = 0; text.length > window && from < text.length; from += window) {
    atLeast += Math.max(0, (await encode(text.slice(from, from + window))).length - CUT_TOKENS);
    if (atLeast >= maxContext) throw tooManyTokens(atLeast, kind, maxContext);
  }
}

/** The native library computes on its own threads; the JavaScript ones run inside the limit. */
function encodeWithin(
  ms: number,
  tokenizer: Tokenizer,
  kind: Prompt['kind'],
  text: string,
): Promise<readonly number[]> {
  const start = () =>
    kind === 'chat'
      ? encodeRendered(tokenizer, text)
      : tokenizer.encode(text, { specials: 'parsed', addPromptTokens: true });
  const field = promptField(kind);
  // A megabyte in ten seconds: half of what the gateway waits, which counts windows and then the whole.
  return interruptedAfter(ms, start, () => {
    const message = `Your ${field} could not be tokenized within ${Math.ceil(ms / 1000)} seconds. Shorten it.`;
    return new DomainError('invalid_request', message, { param: field });
  });
}
