// The schema of conclave.yaml: every key with its unit and default. Unknown keys are refused at every level. read-config.ts
// reads the file and the environment.
import { z } from 'zod';
import { TOPOLOGIES } from '../messages/group-plan.ts';
import { MAX_WEIGHT, MIN_WEIGHT } from '../redis/fair-limits.ts';
import { ENDED_TTL_MS } from '../redis/keys.ts';
import { issuersSchema } from './issuer-schema.ts';

const seconds = (fallback: number) => z.number().positive().max(86_400).default(fallback);
const count = (fallback: number) => z.int().min(1).default(fallback);

const authSchema = z.strictObject({
  /** HMAC key for hashing API keys, shared by all gateways; default `<home>/pepper`, created on first use. */
  pepperFile: z.string().min(1).optional(),
  jwt: issuersSchema.default([]),
  /** Lifetime of a browser session at /admin. */
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
  /** Maximum number of answers to a request: prompts times `n`. */
  answers: count(128),
  /** Maximum number of `stop` strings in a request. */
  stopStrings: count(32),
  /** Maximum `max_tokens`; also caps its default, the rest of the context. */
  maxTokens: count(131_072),
  /** Time limit for receiving a whole request. */
  requestSeconds: seconds(30),
  /** Time limit for an answer, including its wait in the queue. */
  answerSeconds: seconds(3600),
});

const streamSchema = z.strictObject({
  /** Idle time after which a comment with the queue position keeps the stream alive. */
  keepAliveSeconds: seconds(5),
  /** Largest `Conclave-Resume`. */
  resumeSeconds: seconds(3600),
  /** How long after its end, or its last replay, an answer can be replayed by stream id or Idempotency-Key. */
  replaySeconds: seconds(ENDED_TTL_MS / 1000),
});

/** Responses that the Responses API keeps. */
const responsesSchema = z.strictObject({
  /** How long a response is kept after it was made or last gone on from. */
  retentionSeconds: z
    .number()
    .positive()
    .max(31_536_000)
    .default(30 * 86_400),
  /** Bytes of the responses of a tenant; beyond that, the oldest are deleted. */
  tenantBytes: count(64 * 1024 * 1024),
});

/** Files that tenants upload for batches, and that batches make. */
const filesSchema = z.strictObject({
  retentionSeconds: z
    .number()
    .positive()
    .max(31_536_000)
    .default(30 * 86_400),
  fileBytes: count(200 * 1024 * 1024),
  /** Bytes of the files of a tenant. */
  tenantBytes: count(512 * 1024 * 1024),
});

const batchesSchema = z.strictObject({
  /** Maximum number of lines of a batch. */
  lines: count(100_000),
  /** Maximum number of lines of all batches in the queues at the same time. */
  window: count(16),
  /** Maximum number of batches of a tenant that have not ended. */
  open: count(32),
});

/** An origin exactly as browsers send it, without a path: `https://app.example`, `http://localhost:5173`. */
const originSchema = z
  .string()
  .refine(
    (text) => text === '*' || isOrigin(text),
    'Expected `*` or an origin as browsers send it, such as https://app.example: scheme and host, no path, no final slash',
  );

/** Desktop applications use their own schemes (`app://host`), for which URL.origin is `null`. */
function isOrigin(text: string): boolean {
  if (!/^[a-z][a-z0-9+.-]*:\/\/[a-z0-9.:[\]-]+$/.test(text) || !URL.canParse(text)) return false;
  return !/^https?:/.test(text) || new URL(text).origin === text;
}

const corsSchema = z.strictObject({
  /** Origins of web pages that may call /v1; `*` allows all. */
  origins: z.array(originSchema).max(1000).default([]),
});

/** Settings of a tenant without a record of its own. */
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
  /** The workers of a group share one copy of a model; several groups can serve the queues of the same model. */
  group: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,31}$/)
    .default('main'),
  /** `auto` selects the GPU of a Mac with Apple silicon, otherwise the CPU. */
  backend: z.enum(['auto', 'cpu', 'metal', 'metal-emulated']).default('auto'),
  /** Compute threads; null means one per core. */
  threads: z.int().min(1).max(1024).nullable().default(null),
  /** Capacity of the KV cache in tokens; null means one full context or 32,768, whichever is larger. */
  kvTokens: z.int().min(64).nullable().default(null),
  /** Maximum number of concurrent sequences. */
  maxSequences: count(32),
  /** Maximum number of rows per step. */
  maxRows: z.int().min(1).max(65_536).default(512),
  /** Upper bound on the average slowdown of running answers while prompts are prefilled. */
  interTokenTarget: z.number().min(1.1).max(100).default(2),
  /** The same bound for a single step. Shorter steps compensate for a longer one, unless this equals interTokenTarget. */
  longestPause: z.number().min(1.1).max(1000).default(8),
  /** Memory for weights and KV cache, in bytes; null means 80 % of the memory of the machine or container. */
  memoryBytes: z.int().min(1).nullable().default(null),
  /** Maximum number of experts of each layer on this node; null means as many as fit into its memory. */
  maxExperts: z.int().min(0).nullable().default(null),
  /** See Topology; `auto` selects decentralized if all nodes support it. */
  topology: z.enum(['auto', ...TOPOLOGIES]).default('auto'),
  /** Address at which other nodes fetch packs; null means the address of the interface that reaches Redis. */
  packHost: z.string().min(1).nullable().default(null),
  /** `auto`: speculative decoding with an n-gram drafter, while it is profitable. It does not change answers. */
  speculation: z.enum(['auto', 'off']).default('auto'),
  /** Minimum interval between two writes of an answer's tokens; tokens within it are batched. 0 disables batching. */
  eventIntervalMs: z.number().min(0).max(1000).default(50),
  /** Length of the leader's lease; another node takes over when it expires. */
  leaseSeconds: seconds(3),
});

const publicUrlSchema = z
  .url({ protocol: /^https?$/, abort: true })
  .refine(
    isPlainAddress,
    'Expected an address such as https://host or https://host/path, without user, query or fragment',
  );

/** The path is used in redirects and in the Path attribute of cookies, which a `;` would end. */
function isPlainAddress(url: string): boolean {
  const { username, search, hash, pathname } = new URL(url);
  return username + search + hash === '' && /^(\/[\w.~%-]+)*\/?$/.test(pathname);
}

const section = <S extends z.ZodObject>(schema: S) => schema.prefault({} as z.input<S>);

export const configSchema = z.strictObject({
  /** Folder of keys, weights, sockets and logs. */
  home: z.string().min(1).default('.conclave'),
  /** Loopback by default: exposing the gateway to a network must be a deliberate decision. */
  host: z
    .string()
    .min(1)
    // Accepts the URL form as well: [::1].
    .transform((host) => host.replace(/^\[(.*)\]$/, '$1'))
    .default('127.0.0.1'),
  port: z.int().min(0).max(65_535).default(8080),
  /**
   * Public address of the gateway, if it differs from `http://host:port`. https makes cookies Secure; a path is the prefix
   * that the proxy strips.
   */
  publicUrl: publicUrlSchema.optional(),
  redisUrl: z.string().min(1).optional(),
  exchangeUrl: z.string().min(1).optional(),
  model: z.string().min(1).optional(),
  /** The model name that clients use; default: the name of the model's folder. */
  servedModelName: z.string().min(1).max(128).optional(),
  nodes: count(1),
  worker: section(workerSchema),
  auth: section(authSchema),
  cors: section(corsSchema),
  limits: section(limitsSchema),
  stream: section(streamSchema),
  responses: section(responsesSchema),
  files: section(filesSchema),
  batches: section(batchesSchema),
  tenants: section(tenantDefaultsSchema),
  /** Interval at which the append-only file is rewritten, which removes ended prompts from disk; 0 leaves it to Redis. */
  appendOnlyRewriteSeconds: z.number().min(0).max(604_800).default(3600),
  /** Grace period for running answers on SIGTERM. */
  drainSeconds: seconds(30),
  logLevel: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
});

export type Config = z.infer<typeof configSchema>;
/** The contents of conclave.yaml, before defaults. */
export type ConfigInput = z.input<typeof configSchema>;
export type TenantDefaults = z.infer<typeof tenantDefaultsSchema>;

export type Limits = z.infer<typeof limitsSchema>;
