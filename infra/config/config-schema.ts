// The shape of conclave.yaml after defaults: every key, its unit and its default. Values only; reading files and the
// environment is read-config.ts. Unknown keys are refused at every level.
import { z } from 'zod';
import { TOPOLOGIES } from '../messages/group-plan.ts';
import { MAX_WEIGHT, MIN_WEIGHT } from '../redis/fair-limits.ts';
import { ENDED_TTL_MS } from '../redis/keys.ts';
import { issuersSchema } from './issuer-schema.ts';

const seconds = (fallback: number) => z.number().positive().max(86_400).default(fallback);
const count = (fallback: number) => z.int().min(1).default(fallback);

const authSchema = z.strictObject({
  /** Key of the keyed hashes of API keys; default `<home>/pepper`, made on first use. Gateways share it. */
  pepperFile: z.string().min(1).optional(),
  jwt: issuersSchema.default([]),
  /** How long a browser stays signed in to /admin. */
  sessionSeconds: seconds(8 * 3600),
});

const limitsSchema = z.strictObject({
  bodyBytes: count(4 * 1024 * 1024),
  headerBytes: count(16 * 1024),
  headers: count(100),
  messages: count(1024),
  jsonDepth: count(32),
  /** Largest `n`. */
  choices: count(16),
  /** Most answers to one request: prompts of a list times `n`. */
  answers: count(128),
  /** Most `stop` strings of a request. */
  stopStrings: count(32),
  /** Most tokens one choice may ask for; also caps the default, which is what is left of the context. */
  maxTokens: count(131_072),
  /** Time a client has to send its whole request. */
  requestSeconds: seconds(30),
  /** Longest time an answer may take, waiting in the queue included. */
  answerSeconds: seconds(3600),
});

const streamSchema = z.strictObject({
  /** Silence after which a comment says that the stream is alive and where the request stands in the queue. */
  keepAliveSeconds: seconds(5),
  /** Largest `Conclave-Resume`. */
  resumeSeconds: seconds(3600),
  /** How long an answer can be read, and its Idempotency-Key answers from it, after its end or the last such reading. */
  replaySeconds: seconds(ENDED_TTL_MS / 1000),
});

/** An origin exactly as browsers send it, without a path: `https://app.example`, `http://localhost:5173`. */
const originSchema = z
  .string()
  .refine(
    (text) => text === '*' || isOrigin(text),
    'Expected `*` or an origin as browsers send it, such as https://app.example: scheme and host, no path, no final slash',
  );

/** Desktop applications have schemes of their own (`app://host`), of which URL makes no origin. */
function isOrigin(text: string): boolean {
  if (!/^[a-z][a-z0-9+.-]*:\/\/[a-z0-9.:[\]-]+$/.test(text) || !URL.canParse(text)) return false;
  return !/^https?:/.test(text) || new URL(text).origin === text;
}

const corsSchema = z.strictObject({
  /** Web pages that may call /v1 from a browser; none by default, `*` for all. */
  origins: z.array(originSchema).max(1000).default([]),
});

/** What a tenant gets that has no record of its own. */
const tenantDefaultsSchema = z.strictObject({
  weight: z.number().min(MIN_WEIGHT).max(MAX_WEIGHT).default(1),
  maxWaiting: count(1000),
  /** 0 sets no limit. */
  requestsPerMinute: z.int().min(0).default(0),
  /** Model ids, or null for every model. */
  models: z.array(z.string().min(1)).nullable().default(null),
});

/** The engine of a worker node. */
const workerSchema = z.strictObject({
  /** Workers of one group hold one model between them; several groups share the queues of a model. */
  group: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,31}$/)
    .default('main'),
  /** Where to compute; `auto` takes the GPU of a Mac with Apple silicon, else the CPU. */
  backend: z.enum(['auto', 'cpu', 'metal', 'metal-emulated']).default('auto'),
  /** Computing threads; null takes one per core. */
  threads: z.int().min(1).max(1024).nullable().default(null),
  /** Tokens that the KV cache holds; null holds one whole context or 32,768, whichever is more. */
  kvTokens: z.int().min(64).nullable().default(null),
  /** Sequences that run at once. */
  maxSequences: count(32),
  /** Rows of one step at most. */
  maxRows: z.int().min(1).max(65_536).default(512),
  /** While prompts are taken in, running answers get their tokens this many times more slowly on average, at most. */
  interTokenTarget: z.number().min(1.1).max(100).default(2),
  /** The same for a single step: a pause that short ones make up for. Equal to the target, no step takes longer. */
  longestPause: z.number().min(1.1).max(1000).default(8),
  /** Memory for weights and KV, in bytes; null takes 80 % of what the machine or container has. */
  memoryBytes: z.int().min(1).nullable().default(null),
  /** Experts that this node holds at most; null holds as many as its memory has room for. */
  maxExperts: z.int().min(0).nullable().default(null),
  /** centralized: one node attends, the others compute experts. decentralized: all attend. auto: what the nodes allow. */
  topology: z.enum(['auto', ...TOPOLOGIES]).default('auto'),
  /** Address on which other nodes get packs; null takes the one that reaches Redis. */
  packHost: z.string().min(1).nullable().default(null),
  /** `auto`: tokens are guessed from the text so far and verified together, while that pays; answers stay the same. */
  speculation: z.enum(['auto', 'off']).default('auto'),
  /** Least time between two writes of an answer's tokens, in ms: what comes sooner is sent together. 0 sends each at once. */
  eventIntervalMs: z.number().min(0).max(1000).default(50),
  /** A leader that has not renewed its lease for so long is replaced. */
  leaseSeconds: seconds(3),
});

const publicUrlSchema = z
  .url({ protocol: /^https?$/, abort: true })
  .refine(
    isPlainAddress,
    'Expected an address such as https://host or https://host/path, without user, query or fragment',
  );

/** Its path goes into redirects and cookies, where `;` would end it. */
function isPlainAddress(url: string): boolean {
  const { username, search, hash, pathname } = new URL(url);
  return username + search + hash === '' && /^(\/[\w.~%-]+)*\/?$/.test(pathname);
}

const section = <S extends z.ZodObject>(schema: S) => schema.prefault({} as z.input<S>);

export const configSchema = z.strictObject({
  /** Keys, weights, sockets and logs live here. */
  home: z.string().min(1).default('.conclave'),
  /** `localhost` only unless changed: opening it to a network is a decision. */
  host: z
    .string()
    .min(1)
    // As it stands in a URL: [::1].
    .transform((host) => host.replace(/^\[(.*)\]$/, '$1'))
    .default('127.0.0.1'),
  port: z.int().min(0).max(65_535).default(8080),
  /**
   * Where clients reach the gateway, when that is not `http://host:port`; https turns on Secure cookies. Its path is what a
   * proxy strips.
   */
  publicUrl: publicUrlSchema.optional(),
  redisUrl: z.string().min(1).optional(),
  exchangeUrl: z.string().min(1).optional(),
  model: z.string().min(1).optional(),
  /** The name that clients use; default: that of the model's folder. */
  servedModelName: z.string().min(1).max(128).optional(),
  nodes: count(1),
  worker: section(workerSchema),
  auth: section(authSchema),
  cors: section(corsSchema),
  limits: section(limitsSchema),
  stream: section(streamSchema),
  tenants: section(tenantDefaultsSchema),
  /** Ended requests' prompts leave the durable Redis' append-only file after this time at the latest; 0 leaves it to Redis. */
  appendOnlyRewriteSeconds: z.number().min(0).max(604_800).default(3600),
  /** Time given to running answers on SIGTERM. */
  drainSeconds: seconds(30),
  logLevel: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
});

export type Config = z.infer<typeof configSchema>;
/** What conclave.yaml may say. */
export type ConfigInput = z.input<typeof configSchema>;
export type TenantDefaults = z.infer<typeof tenantDefaultsSchema>;

export type Limits = z.infer<typeof limitsSchema>;
