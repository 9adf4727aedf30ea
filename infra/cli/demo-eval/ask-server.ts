// Held-out prompts -> answers of a running server, greedily decoded.
import { createChatTemplate, encodeChat } from '../../tokenizer/chat-template.ts';
import { createTokenizer } from '../../tokenizer/create-tokenizer.ts';
import { readTokenizerFiles } from '../../tokenizer/tokenizer-files.ts';
import { callGateway, refusal } from '../call-gateway.ts';
import type { ReadyFile } from '../supervise/run-cluster.ts';
import { answerRoom, type HeldOutPrompt } from './held-out.ts';

export type EvalServer = Pick<ReadyFile, 'url' | 'apiKey' | 'model'>;
export type Ask = (prompt: HeldOutPrompt) => Promise<string>;

interface Completion {
  readonly choices: readonly { readonly text?: string; readonly message?: { readonly content: string } }[];
}

/** Requests that wait for their answers at once: enough to fill batches. */
const CLIENTS = 8;

/** The answers in the order of the prompts; `onAnswer` is called with the number of answers so far. Throws the first failure. */
export async function answerAll(
  prompts: readonly HeldOutPrompt[],
  ask: Ask,
  onAnswer: (done: number) => void,
): Promise<string[]> {
  const answers: string[] = [];
  const waiting = prompts.entries();
  let done = 0;
  const client = async () => {
    for (const [at, prompt] of waiting) {
      answers[at] = await ask(prompt);
      onAnswer(++done);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return answers;
}

/**
 * How this server is asked. A conversation with the result of a tool goes to /v1/completions as token ids, since
 * /v1/chat/completions serves no role `tool`; `modelFolder` has the chat template for it.
 */
export async function serverAsk(server: EvalServer, modelFolder: string): Promise<Ask> {
  const encode = await chatEncoder(modelFolder);
  return async (prompt) => {
    const answer = prompt.messages.some(({ role }) => role === 'tool')
      ? await complete(server, '/v1/completions', prompt, { prompt: await encode(prompt) })
      : await complete(server, '/v1/chat/completions', prompt, { messages: prompt.messages });
    const [choice] = answer.choices;
    return choice?.message?.content ?? choice?.text ?? '';
  };
}

async function chatEncoder(modelFolder: string): Promise<(prompt: HeldOutPrompt) => Promise<number[]>> {
  const files = await readTokenizerFiles(modelFolder, 'dbrx');
  const tokenizer = await createTokenizer(files);
  const template = createChatTemplate(files, tokenizer);
  if (template === null) throw new TypeError('A DBRX always has a chat template');
  return ({ messages }) => encodeChat(tokenizer, template, { messages, tools: null, addGenerationPrompt: true });
}

async function complete(server: EvalServer, path: string, prompt: HeldOutPrompt, input: object): Promise<Completion> {
  const { url, apiKey: key, model } = server;
  const body = { model, ...input, temperature: 0, max_tokens: answerRoom(prompt) };
  const response = await callGateway({ url, key, method: 'POST', path, body });
  const answer = await response.body.json();
  if (response.statusCode !== 200) throw refusal(answer);
  return answer as Completion;
}
