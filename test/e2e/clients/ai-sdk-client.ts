// ai with @ai-sdk/openai-compatible.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, generateText, type ModelMessage, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';
import type { RequestFields } from './cases.ts';
import type { ChatClient, ClientKind, Target } from './check-client.ts';

export const aiSdkClient: ClientKind = {
  name: 'ai with @ai-sdk/openai-compatible',
  connect,
  isRefusal: (error, status) => APICallError.isInstance(error) && error.statusCode === status,
};

function connect({ model, ...options }: Target): ChatClient {
  const provider = createOpenAICompatible({ name: 'conclave', ...options });

  const settings = (fields: RequestFields) => ({ ...settingsOf(fields), model: provider(model), maxRetries: 0 });

  async function followUp(messages: readonly ModelMessage[], fields: RequestFields): Promise<string> {
    const { text } = await generateText({ ...settings(fields), messages: [...messages] });
    return text;
  }

  return {
    answer: (question, fields) => followUp([user(question)], fields),
    async useTool(question, getWeather, streamed) {
      const weather = tool({ inputSchema: z.object({ city: z.string() }), execute: ({ city }) => getWeather(city) });
      const options = {
        ...settings({ temperature: 0 }),
        messages: [user(question)],
        tools: { get_weather: weather },
        stopWhen: stepCountIs(3),
      };
      return streamed ? await streamText(options).text : (await generateText(options)).text;
    },
    async *stream(question, fields, signal) {
      const messages = [user(question)];
      yield* streamText({ ...settings(fields), messages, abortSignal: signal }).textStream;
    },
    async converse(first, second, fields) {
      const { text, response } = await generateText({ ...settings(fields), messages: [user(first)] });
      return [text, await followUp([user(first), ...response.messages, user(second)], fields)];
    },
    async converseStreamed(first, second, fields) {
      const result = streamText({ ...settings(fields), messages: [user(first)] });
      const [text, response] = [await result.text, await result.response];
      return [text, await followUp([user(first), ...response.messages, user(second)], fields)];
    },
  };
}

/** What the SDK has no setting for goes through the provider's options. */
function settingsOf({ temperature, max_tokens, seed, frequency_penalty, logit_bias }: RequestFields) {
  return {
    ...(temperature !== undefined && { temperature }),
    ...(max_tokens !== undefined && { maxOutputTokens: max_tokens }),
    ...(seed !== undefined && { seed }),
    ...(frequency_penalty !== undefined && { frequencyPenalty: frequency_penalty }),
    ...(logit_bias !== undefined && { providerOptions: { conclave: { logit_bias: { ...logit_bias } } } }),
  };
}

function user(content: string) {
  return { role: 'user' as const, content };
}
