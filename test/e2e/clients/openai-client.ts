// openai, the official Node client.
import OpenAI from 'openai';
import { zodFunction } from 'openai/helpers/zod';
import { z } from 'zod';
import type { RequestFields } from './cases.ts';
import type { ChatClient, ClientKind, Target } from './check-client.ts';

const ERRORS = new Map<number, new (...args: never[]) => Error>([
  [400, OpenAI.BadRequestError],
  [401, OpenAI.AuthenticationError],
  [404, OpenAI.NotFoundError],
  [429, OpenAI.RateLimitError],
]);

export const openaiClient: ClientKind = {
  name: 'openai',
  connect,
  isRefusal,
};

/** The client's own class for the status. */
export function isRefusal(error: unknown, status: number): boolean {
  const kind = ERRORS.get(status);
  return kind !== undefined && error instanceof kind && error instanceof OpenAI.APIError && error.status === status;
}

type Messages = OpenAI.ChatCompletionMessageParam[];

function connect({ model, ...options }: Target): ChatClient {
  const { completions } = new OpenAI({ ...options, maxRetries: 0 }).chat;

  async function complete(messages: Messages, fields: RequestFields): Promise<OpenAI.ChatCompletionMessage> {
    const { choices } = await completions.create({ ...bodyOf(fields), model, messages });
    return choices[0]?.message ?? { role: 'assistant', content: null, refusal: null };
  }

  async function converse(
    first: string,
    second: string,
    fields: RequestFields,
    ask: typeof complete,
  ): Promise<readonly [string, string]> {
    const messages: Messages = [user(first)];
    const one = await ask(messages, fields);
    messages.push(one, user(second));
    const two = await complete(messages, fields);
    return [one.content ?? '', two.content ?? ''];
  }

  return {
    answer: async (question, fields) => (await complete([user(question)], fields)).content ?? '',
    async *stream(question, fields, signal) {
      const body = { ...bodyOf(fields), model, messages: [user(question)], stream: true as const };
      for await (const { choices } of await completions.create(body, { signal })) yield choices[0]?.delta.content ?? '';
    },
    async useTool(question, getWeather, streamed) {
      const run = (args: object) => getWeather(String(Reflect.get(args, 'city')));
      const weather = zodFunction({ name: 'get_weather', parameters: z.object({ city: z.string() }), function: run });
      const body = { model, temperature: 0, messages: [user(question)], tools: [weather] };
      const runner = streamed ? completions.runTools({ ...body, stream: true }) : completions.runTools(body);
      return (await runner.finalContent()) ?? '';
    },
    converse: (first, second, fields) => converse(first, second, fields, complete),
    converseStreamed: (first, second, fields) =>
      converse(first, second, fields, (messages) =>
        completions.stream({ ...bodyOf(fields), model, messages }).finalMessage(),
      ),
  };
}

function bodyOf({ logit_bias, ...fields }: RequestFields) {
  return { ...fields, ...(logit_bias !== undefined && { logit_bias: { ...logit_bias } }) };
}

function user(content: string) {
  return { role: 'user' as const, content };
}
