// A declared answer of server-sent events. OpenAPI 3.1 has no place for the schema of an event, so the media type carries it as an
// extension, by the event's name: `message` is an event without one.
import type { OpenAPIHono, z } from '@hono/zod-openapi';
import { MESSAGES_EVENTS } from '../apis/messages/messages-answers.ts';
import { RESPONSES_EVENTS } from '../apis/responses/responses-answers.ts';
import { chatCompletionChunk, textCompletionChunk } from '../routes/completion-answers.ts';
import { errorSchema } from './error-responses.ts';
import type { NamedEvents } from './named-events.ts';

const CHUNKS = { ChatCompletionChunk: chatCompletionChunk, TextCompletionChunk: textCompletionChunk } as const;

const DESCRIPTION =
  'One event per chunk, then `data: [DONE]`. The `id` of an event can be sent as Last-Event-ID to resume after it. An event ' +
  '`error` ends a stream that cannot continue. Comments keep the connection alive.';

/** The content of an answer whose `data` is one of the chunks. */
export function eventStream(chunks: readonly (keyof typeof CHUNKS)[]) {
  const refs = chunks.map((name) => ({ $ref: `#/components/schemas/${name}` }));
  return {
    'text/event-stream': {
      schema: { type: 'string' as const, description: DESCRIPTION },
      'x-events': {
        message: { anyOf: [...refs, { const: '[DONE]' }] },
        error: { $ref: '#/components/schemas/Error' },
      },
    },
  };
}

/** The content of an answer of named events. */
export function namedEventStream({ prefix, events }: NamedEvents, description: string) {
  const refs = Object.keys(events).map((name) => [name, { $ref: `#/components/schemas/${prefix}.${name}` }]);
  return {
    'text/event-stream': { schema: { type: 'string' as const, description }, 'x-events': Object.fromEntries(refs) },
  };
}

/** Adds the components that no answer of JSON refers to. */
export function registerEvents(registry: OpenAPIHono['openAPIRegistry']): void {
  const named = [MESSAGES_EVENTS, RESPONSES_EVENTS].flatMap(({ prefix, events }) =>
    Object.entries(events).map(([name, schema]) => [`${prefix}.${name}`, schema] as const),
  );
  const schemas: Readonly<Record<string, z.ZodType>> = { ...CHUNKS, Error: errorSchema, ...Object.fromEntries(named) };
  for (const [name, schema] of Object.entries(schemas)) registry.register(name, schema);
}
