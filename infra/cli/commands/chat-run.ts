// `conclave chat`: sends the user's input and streams the answer to stdout. Everything else goes to stderr.
// Ctrl-C stops the answer that is running, and with it its generation; without one it ends the conversation.
import { createInterface, type Interface } from 'node:readline/promises';
import { DomainError } from '../../errors/domain-error.ts';
import { callGateway, refusal } from '../call-gateway.ts';
import { homeFolder } from '../home-folder.ts';
import { readReadyFile } from '../read-ready-file.ts';
import { readServerEvents, type ServerEvent } from '../read-server-events.ts';

export interface ChatOptions {
  readonly url?: string;
  readonly key?: string;
  readonly home?: string;
  readonly model?: string;
  readonly system?: string;
  readonly temperature?: number;
  readonly maxTokens?: number;
}

interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

interface Conversation {
  readonly url: string;
  readonly key: string;
  readonly model: string;
  readonly sampling: object;
  readonly messages: Message[];
}

/** One question and its answer, or a conversation until the input ends. Throws what the gateway answers. */
export async function chatCommand(prompt: string | undefined, options: ChatOptions): Promise<void> {
  const conversation = await openConversation(options);
  if (prompt !== undefined) return ask(conversation, prompt, new AbortController().signal);
  process.stderr.write(`Talking to ${conversation.model}. Ctrl-C stops an answer, Ctrl-D ends the conversation.\n`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr, prompt: '> ' });
  await converse(conversation, terminal);
}

async function openConversation(options: ChatOptions): Promise<Conversation> {
  const ready =
    options.url !== undefined && options.key !== undefined
      ? undefined
      : readReadyFile(homeFolder(options.home, process.env));
  const url = options.url ?? ready?.url;
  const key = options.key ?? ready?.apiKey;
  if (url === undefined || key === undefined) {
    throw new DomainError(
      'bad_config',
      'There is no gateway to talk to. Give --url and --key, or run `npm start` in this folder (see --home).',
    );
  }
  const { temperature, maxTokens, system } = options;
  const sampling = {
    ...(temperature !== undefined && { temperature }),
    ...(maxTokens !== undefined && { max_tokens: maxTokens }),
  };
  const messages: Message[] = system === undefined ? [] : [{ role: 'system', content: system }];
  return { url, key, sampling, messages, model: options.model ?? (await firstModel(url, key)) };
}

async function firstModel(url: string, key: string): Promise<string> {
  const response = await callGateway({ url, key, method: 'GET', path: '/v1/models' });
  const answer = (await response.body.json()) as { data?: { id: string }[] };
  if (response.statusCode !== 200) throw refusal(answer);
  const model = answer.data?.[0]?.id;
  if (model === undefined)
    throw new DomainError(
      'unavailable',
      `The gateway at ${url} serves no model. Start a worker, or wait until it has loaded the model.`,
    );
  return model;
}

async function converse(conversation: Conversation, terminal: Interface): Promise<void> {
  let answering: AbortController | undefined;
  terminal.on('SIGINT', () => (answering === undefined ? terminal.close() : answering.abort()));
  terminal.prompt();
  for await (const line of terminal) {
    answering = new AbortController();
    if (line.trim() !== '') await askAndReport(conversation, line, answering.signal);
    answering = undefined;
    terminal.prompt();
  }
}

/** In a conversation, a failed answer is reported and the conversation continues. */
async function askAndReport(conversation: Conversation, line: string, signal: AbortSignal): Promise<void> {
  try {
    await ask(conversation, line, signal);
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    conversation.messages.pop();
    process.stderr.write(`\n${error.message}\n`);
  }
}

async function ask(conversation: Conversation, content: string, signal: AbortSignal): Promise<void> {
  const { url, key, model, sampling, messages } = conversation;
  messages.push({ role: 'user', content });
  const body = { model, messages, stream: true, ...sampling };
  const response = await callGateway({ url, key, method: 'POST', path: '/v1/chat/completions', body, signal });
  if (response.statusCode !== 200) throw refusal(await response.body.json());
  messages.push({ role: 'assistant', content: await printAnswer(response.body, signal) });
}

async function printAnswer(body: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<string> {
  let text = '';
  try {
    for await (const event of readServerEvents(body)) {
      const piece = textOf(event);
      text += piece;
      process.stdout.write(piece);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  process.stdout.write('\n');
  return text;
}

/** The text that an event adds; where a waiting request stands goes to stderr. */
function textOf({ type, data }: ServerEvent): string {
  if (type === 'comment') process.stderr.write(`(${data})\n`);
  if (type === 'comment' || data === '[DONE]') return '';
  const chunk = JSON.parse(data) as { error?: object; choices?: { delta?: { content?: string } }[] };
  if (chunk.error !== undefined) throw refusal(chunk);
  return chunk.choices?.[0]?.delta?.content ?? '';
}
