// Headers of answers, as components of the API's description.
import type { OpenAPIHono } from '@hono/zod-openapi';

interface HeaderText {
  readonly description: string;
  readonly pattern: string;
}

const HEADERS = {
  'x-request-id': { description: 'Id of the request in the log.', pattern: '^req_[0-9a-f]{24}$' },
  'request-id': { description: 'The same, as Anthropic names it.', pattern: '^req_[0-9a-f]{24}$' },
  'openai-processing-ms': { description: 'Time to the response headers, in ms.', pattern: '^\\d+$' },
  'x-ratelimit-limit-requests': { description: 'Requests per minute of the tenant.', pattern: '^\\d+$' },
  'x-ratelimit-remaining-requests': { description: 'Requests left in this window.', pattern: '^\\d+$' },
  'x-ratelimit-reset-requests': { description: 'Time until the window ends.', pattern: '^\\d+s$' },
  'retry-after': { description: 'Seconds after which a retry can succeed.', pattern: '^\\d+$' },
  'www-authenticate': { description: 'How to authenticate.', pattern: '^Bearer$' },
  'conclave-id': {
    description: 'Id of the generation, for resuming its stream.',
    pattern: '^(chatcmpl-|cmpl-|msg_|resp_)[0-9a-z]{33}$',
  },
  'conclave-repeated': {
    description: 'The answer comes from an earlier request with this Idempotency-Key.',
    pattern: '^true$',
  },
} as const satisfies Readonly<Record<string, HeaderText>>;

export type HeaderName = keyof typeof HEADERS;

export interface HeaderRef {
  readonly $ref: string;
}

export const EVERY_ANSWER: readonly HeaderName[] = ['x-request-id', 'request-id', 'openai-processing-ms'];
export const RATE_LIMIT: readonly HeaderName[] = [
  'x-ratelimit-limit-requests',
  'x-ratelimit-remaining-requests',
  'x-ratelimit-reset-requests',
];

/** Headers that an answer of a status must have; others of its declaration it may have. */
const REQUIRED: ReadonlySet<HeaderName> = new Set<HeaderName>([...EVERY_ANSWER, 'retry-after', 'www-authenticate']);

/** The `headers` of a declared answer. */
export function headerRefs(names: readonly HeaderName[]): Record<string, HeaderRef> {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

/** Adds the components that `headerRefs` refers to. */
export function registerHeaders(registry: OpenAPIHono['openAPIRegistry']): void {
  for (const [name, { description, pattern }] of Object.entries(HEADERS)) {
    const required = REQUIRED.has(name as HeaderName);
    registry.registerComponent('headers', name, { description, required, schema: { type: 'string', pattern } });
  }
}
