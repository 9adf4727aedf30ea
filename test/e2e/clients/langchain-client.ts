// @langchain/openai: ChatOpenAI.
import { ContextOverflowError } from '@langchain/core/errors';
import { type AIMessageChunk, type BaseMessage, HumanMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI } from '@langchain/openai';
import { z } from 'zod';
import type { RequestFields } from './cases.ts';
import type { ChatClient, ClientKind, Target } from './check-client.ts';
import { isRefusal } from './openai-client.ts';

export const langchainClient: ClientKind = {
  name: '@langchain/openai',
  connect,
  // Errors of the openai client, and one of its own for what is longer than the context.
  isRefusal: (error, status) => isRefusal(error, status) || (status === 400 && ContextOverflowError.isInstance(error)),
};

function connect({ model, baseURL, apiKey }: Target): ChatClient {
  const configuration = { baseURL };
  const connection = { model, apiKey, configuration, maxRetries: 0 };

  const chat = (fields: RequestFields) => new ChatOpenAI({ ...connection, ...settingsOf(fields) });

  async function converse(
    [first, second]: readonly [string, string],
    fields: RequestFields,
    ask: (messages: BaseMessage[]) => Promise<BaseMessage>,
  ): Promise<readonly [string, string]> {
    const messages: BaseMessage[] = [new HumanMessage(first)];
    const one = await ask(messages);
    const two = await chat(fields).invoke([...messages, one, new HumanMessage(second)]);
    return [one.text, two.text];
  }

  return {
    async useTool(question, getWeather, streamed) {
      const schema = z.object({ city: z.string() });
      const weather = tool(({ city }) => getWeather(city), { name: 'get_weather', schema });
      const model = chat({ temperature: 0 }).bindTools([weather], { strict: true });
      const messages: BaseMessage[] = [new HumanMessage(question)];
      for (;;) {
        const answer = streamed ? await wholeOf(await model.stream(messages)) : await model.invoke(messages);
        messages.push(answer);
        if ((answer.tool_calls ?? []).length === 0) return answer.text;
        for (const call of answer.tool_calls ?? []) messages.push(await weather.invoke(call));
      }
    },
    answer: async (question, fields) => (await chat(fields).invoke(question)).text,
    async *stream(question, fields, signal) {
      for await (const chunk of await chat(fields).stream(question, { signal })) yield chunk.text;
    },
    converse: (first, second, fields) => converse([first, second], fields, (messages) => chat(fields).invoke(messages)),
    converseStreamed: (first, second, fields) =>
      converse([first, second], fields, async (messages) => wholeOf(await chat(fields).stream(messages))),
  };
}

/** What ChatOpenAI has no name for goes through `modelKwargs`. */
function settingsOf({ temperature, max_tokens, frequency_penalty, ...modelKwargs }: RequestFields) {
  return {
    ...(temperature !== undefined && { temperature }),
    ...(max_tokens !== undefined && { maxTokens: max_tokens }),
    ...(frequency_penalty !== undefined && { frequencyPenalty: frequency_penalty }),
    modelKwargs,
  };
}

async function wholeOf(stream: AsyncIterable<AIMessageChunk>): Promise<AIMessageChunk> {
  let whole: AIMessageChunk | undefined;
  for await (const chunk of stream) whole = whole === undefined ? chunk : whole.concat(chunk);
  if (whole === undefined) throw new Error('The stream was empty');
  return whole;
}
