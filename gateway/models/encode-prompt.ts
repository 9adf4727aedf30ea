// Prompt -> token ids, inside an encoder process. Prompts and templates have bounds: scripts in time, text in size before it is
// encoded. An abort of native code or V8 in spite of them ends only this process.
import { DomainError } from '../../infra/errors/domain-error.ts';
import { createChatTemplate, encodeRendered } from '../../infra/tokenizer/chat-template.ts';
import { createTokenizer } from '../../infra/tokenizer/create-tokenizer.ts';
import { GUARD } from '../../infra/tokenizer/guard-text.ts';
import type { Tokenizer } from '../../infra/tokenizer/tokenizer.ts';
import type { EncoderModel, Prompt, TokenTable } from './encoder-messages.ts';
import { interruptedAfter } from './interrupt-script.ts';
import { limitedTemplate } from './limited-template.ts';
import { promptField, refuseTooManyBytes, tooManyTokens } from './prompt-size.ts';
import { longestToken, tokenTable } from './token-table.ts';

export interface PromptEncoder {
  readonly table: TokenTable;
  /**
   * `onEncoding` is called when the template has been rendered.
   * @throws DomainError `invalid_request` or `context_length_exceeded`
   */
  encode(prompt: Prompt, onEncoding: () => void): Promise<readonly number[]>;
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
  const render = limitedTemplate(model, createChatTemplate(model.files, tokenizer));
  const table = tokenTable(tokenizer);
  const context = { maxContext: model.maxContext, longestToken: longestToken(table) };
  return {
    table,
    encode: async (prompt, onEncoding) => {
      const text = prompt.kind === 'text' ? prompt.text : render(prompt.messages);
      onEncoding();
      refuseTooManyBytes(Buffer.byteLength(text.replaceAll(GUARD, '')), prompt.kind, context);
      const encode = (part: string) =>
        encodeWithin(model.scriptMs + Math.ceil(part.length / 100), tokenizer, prompt.kind, part);
      await refuseByWindows(text, prompt.kind, model.maxContext, encode);
      return encode(text);
    },
  };
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
