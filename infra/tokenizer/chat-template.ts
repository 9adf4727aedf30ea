// Chat messages -> prompt text, by the model's own Jinja template. The template is compiled once. Text of clients is guarded
// (guard-text.ts), so the result must be encoded with specials `guarded`. Must not read files or count tokens.
import { Template } from '@huggingface/jinja';
import { DomainError } from '../errors/domain-error.ts';
import { type ChatGuard, type ChatMessage, createChatGuard } from './guard-messages.ts';
import './python-strings.ts';
import type { Tokenizer } from './tokenizer.ts';
import { type NamedTokens, readTokenizerConfig } from './tokenizer-config.ts';
import type { TokenizerFiles } from './tokenizer-files.ts';

export interface ChatInput {
  readonly messages: readonly ChatMessage[];
  /** Tool definitions; templates test for their presence, so none is null. */
  readonly tools: readonly unknown[] | null;
  /** Ends the prompt where the assistant's answer begins. */
  readonly addGenerationPrompt: boolean;
  /** Ends the prompt inside the last message, behind its content. */
  readonly continuesLast?: boolean;
  /** More variables, as `enable_thinking`; none of them replaces those above. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

export interface ChatTemplate {
  /** Prompt text with guards. Throws DomainError `invalid_request` when the template refuses the messages. */
  render(input: ChatInput): string;
}

// DBRX's format: turns joined by a line break. Used when the folder has no template; without the vendor's system prompt.
const DBRX_TEMPLATE = `{% for message in messages %}{% if not loop.first %}{{ '\\n' }}{% endif %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '\\n<|im_start|>assistant\\n' }}{% endif %}`;

/** Compiles the model's chat template; null when the model has none. Throws DomainError `bad_tokenizer` when it is no Jinja. */
export function createChatTemplate(files: TokenizerFiles, tokenizer: Tokenizer): ChatTemplate | null {
  const config = readTokenizerConfig(files);
  const sources =
    files.family === 'dbrx' ? new Map([['default', DBRX_TEMPLATE], ...config.chatTemplates]) : config.chatTemplates;
  const file = files.chatTemplate === null ? 'tokenizer_config.json' : 'chat_template.jinja';
  const templates = new Map([...sources].map(([name, source]) => [name, compile(file, name, source)]));
  const fallback = templates.get('default') ?? [...templates.values()][0];
  if (fallback === undefined) return null;
  const guard = createChatGuard(tokenizer.addedTokens, sources.values());
  return {
    render: (input) => {
      const template = (input.tools === null ? undefined : templates.get('tool_use')) ?? fallback;
      const variables = inputVariables(input, guard);
      const rendered = render(template, { ...tokenVariables(config.tokens), ...variables });
      return input.continuesLast === true ? endInLast(rendered, variables.messages) : rendered;
    },
  };
}

/** Tokens of a rendered conversation. Throws as `ChatTemplate.render` does. */
export function encodeChat(tokenizer: Tokenizer, template: ChatTemplate, input: ChatInput): Promise<number[]> {
  return encodeRendered(tokenizer, template.render(input));
}

/** Tokens of the output of a chat template. */
export function encodeRendered(tokenizer: Tokenizer, rendered: string): Promise<number[]> {
  return tokenizer.encode(rendered, { specials: 'guarded', addPromptTokens: false });
}

function compile(file: string, name: string, source: string): Template {
  try {
    return new Template(source);
  } catch (cause) {
    const message = `${file}: chat template ${JSON.stringify(name)} does not parse: ${reasonOf(cause)}; correct it in that file`;
    throw new DomainError('bad_tokenizer', message, { cause });
  }
}

function tokenVariables(tokens: NamedTokens): Record<string, string> {
  return {
    bos_token: tokens.bos ?? '',
    eos_token: tokens.eos ?? '',
    pad_token: tokens.pad ?? '',
    unk_token: tokens.unk ?? '',
  };
}

function inputVariables(input: ChatInput, guard: ChatGuard) {
  return {
    ...(guard.value(input.variables ?? {}) as Record<string, unknown>),
    messages: input.messages.map(guard.message),
    ...(input.tools === null ? {} : { tools: guard.value(input.tools) }),
    add_generation_prompt: input.addGenerationPrompt,
  };
}

/** Cuts off what the template writes behind the content of the last message. Some templates trim the content. */
function endInLast(rendered: string, messages: readonly Record<string, unknown>[]): string {
  const content = String(messages.at(-1)?.['content'] ?? '');
  const trimmed = content.trim();
  const at = rendered.lastIndexOf(trimmed);
  if (trimmed === '' || at === -1) {
    const message = 'The last message cannot be continued: the chat template does not show its content.';
    throw new DomainError('invalid_request', message, { param: 'continue_final_message' });
  }
  const whole = content.trimStart();
  return rendered.slice(0, at + (rendered.startsWith(whole, at) ? whole : trimmed).length);
}

function render(template: Template, values: Record<string, unknown>): string {
  try {
    return template.render(values);
  } catch (cause) {
    throw new DomainError('invalid_request', `The model's chat template rejects these messages: ${reasonOf(cause)}`, {
      param: 'messages',
      cause,
    });
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
