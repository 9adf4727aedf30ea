// A gateway of real modules with a scripted worker and in-memory stores.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Hono } from 'hono';
import { createApp } from '../../gateway/app.ts';
import { createAuthenticator } from '../../gateway/auth/authenticate.ts';
import { createSessions } from '../../gateway/auth/sessions.ts';
import { createJwtVerifier } from '../../gateway/auth/verify-jwt.ts';
import type { GatewayParts, ServedModel } from '../../gateway/parts.ts';
import { describeApi } from '../../gateway/routes/openapi.ts';
import { type Config, type ConfigInput, configSchema } from '../../infra/config/config-schema.ts';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { createLogger } from '../../infra/log/logger.ts';
import { createMetrics } from '../../infra/metrics/metrics.ts';
import type { Scope } from '../../infra/tenants/scope.ts';
import { type ApiDescription, checkedFetch, describedAnswers } from './described-answers.ts';
import {
  createMemoryAudit,
  createMemoryEndedSessions,
  createMemoryKeys,
  createMemoryResponses,
  createMemoryTenants,
} from './memory-stores.ts';
import { createScriptedWorker, finished, type Script, tokens } from './scripted-worker.ts';

const MAX_CONTEXT = 64;

/** One token per UTF-8 byte; 256 is the end-of-sequence token. */
const BYTE_MODEL: ServedModel = {
  name: 'tiny',
  created: 1_700_000_000,
  maxContext: MAX_CONTEXT,
  vocab: 257,
  eosTokenIds: [256],
  fingerprint: null,
  traits: { calls: 'hermes', reasoning: null, specialMarks: [], takesTools: true },
  encodeChat: async ({ messages }) => {
    const [first] = messages;
    if (first?.role === 'assistant') {
      throw new DomainError('invalid_request', 'The chat template refuses these messages.', { param: 'messages' });
    }
    const texts = messages.map(({ content }) =>
      typeof content === 'string' ? content : content.map((p) => p.text).join(''),
    );
    return { tokens: [...Buffer.from(texts.join('\n'))], reasoningOpen: false };
  },
  encodeText: async (text) => [...Buffer.from(text)],
  tokenBytes: (id) => (id < 256 ? Uint8Array.of(id) : new Uint8Array()),
};

const UNLIMITED = { headers: {}, refusal: null };

const HELLO: Script = () => [tokens('Hel'), tokens('lo', { finish: 'stop' }), finished()];

export interface GatewayOptions {
  readonly script?: Script;
  readonly config?: ConfigInput;
  readonly log?: GatewayParts['log'];
  /** Changes to a model of bytes whose calls are Hermes'. */
  readonly model?: Partial<ServedModel>;
}

/** Builds a gateway. `post`, `get` and `send` call it with a key of tenant `acme`, unless `headers` replace it. */
export async function createScriptedGateway(options: GatewayOptions = {}) {
  const config: Config = configSchema.parse(options.config ?? {});
  const model = { ...BYTE_MODEL, ...options.model };
  const worker = createScriptedWorker(options.script ?? HELLO);
  const keys = createMemoryKeys();
  const tenants = createMemoryTenants();
  const audit = createMemoryAudit();
  const controlled: string[] = [];
  const time = { nowMs: 1_800_000_000_000 };
  const control = {
    pause: async (queue: string) => void controlled.push(`pause ${queue}`),
    resume: async (queue: string) => void controlled.push(`resume ${queue}`),
    setDraining: async (queue: string, on: boolean) => void controlled.push(`draining ${queue} ${on}`),
    setWeight: async (queue: string, weight: number) => void controlled.push(`weight ${queue} ${weight}`),
    cancel: async () => true,
    cancelTenant: async (tenant: string) => void controlled.push(`cancel requests of ${tenant}`),
  };
  const parts: GatewayParts = {
    config,
    keys,
    tenants,
    audit,
    authenticator: createAuthenticator(keys, tenants, createJwtVerifier(config.auth.jwt)),
    sessions: createSessions({
      keys,
      tenants,
      ended: createMemoryEndedSessions(),
      pepper: Buffer.alloc(32, 1),
      seconds: config.auth.sessionSeconds,
    }),
    rateLimit: { count: async () => UNLIMITED, read: async () => UNLIMITED },
    models: { list: () => [model], find: async (name) => (name === model.name ? model : undefined) },
    queue: worker.queue,
    streams: worker.streams,
    findGeneration: async (id) => worker.record(id),
    findReading: async (id) => worker.requests.find((request) => request.id === id)?.reading ?? null,
    operations: {
      queues: async () => [],
      jobs: async () => ({ jobs: [], next: null, total: 0 }),
      nodes: async () => [],
      plans: async () => [],
      routing: async () => null,
      control,
      retry: async () => 'chatcmpl-again',
    },
    responses: createMemoryResponses(),
    // Tests of files and batches have a Redis.
    files: absent<GatewayParts['files']>(),
    batches: absent<GatewayParts['batches']>(),
    jobBoard: { app: new Hono().get('/', (c) => c.text('board')), refresh: async () => {}, close: async () => {} },
    unreadyReasons: async () => [],
    clock: () => time.nowMs,
    random: randomBytes,
    log: options.log ?? createLogger('test', 'silent'),
    metrics: createMetrics(),
  };
  const app = createApp(parts);
  app.fetch = checkedFetch(app.fetch, () => checkOf(app));
  const newKey = async (tenant: string, scopes: readonly Scope[]) => {
    await tenants.create(tenant, {}, time.nowMs);
    return (await keys.create({ tenant, name: '', scopes, expiresAtMs: null }, time.nowMs)).text;
  };
  const key = await newKey('acme', ['chat']);
  const send = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const text =
      body === undefined || typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
    const type = { 'content-type': 'application/json', authorization: `Bearer ${key}` };
    return app.request(path, { method, ...(text !== undefined && { body: text }), headers: { ...type, ...headers } });
  };
  return {
    app,
    parts,
    worker,
    audit,
    controlled,
    time,
    key,
    newKey,
    send,
    post: (path: string, body: unknown, headers?: Record<string, string>) => send('POST', path, body, headers),
    get: (path: string, headers?: Record<string, string>) => send('GET', path, undefined, headers),
  };
}

/** A part that no test of this gateway uses. */
function absent<Part extends object>(): Part {
  const use = () => assert.fail('this part is absent');
  return new Proxy({} as Part, { get: () => use });
}

let checker: ReturnType<typeof describedAnswers> | undefined;

/** The API description does not depend on the configuration, so all gateways of a process share one. */
function checkOf(app: ReturnType<typeof createApp>): ReturnType<typeof describedAnswers> {
  checker ??= describedAnswers(describeApi(app) as unknown as ApiDescription);
  return checker;
}

/** A minimal chat request with changes. */
export function chatBody(changes: object = {}): object {
  return { model: 'tiny', messages: [{ role: 'user', content: 'Hi' }], ...changes };
}
