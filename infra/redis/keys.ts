// Every Redis key and channel: type, writer, reader, expiry and size cap. A test compares this table with the contents of
// a real Redis after a run. Lua scripts take their keys and prefixes from here.
import type { RedisRole } from './redis-role.ts';

export interface KeyInfo {
  /** `*` stands for an id. */
  readonly pattern: string;
  readonly type: 'string' | 'hash' | 'set' | 'zset' | 'stream' | 'channel' | 'bullmq';
  readonly role: RedisRole;
  readonly holds: string;
  readonly writer: string;
  readonly reader: string;
  /** When the key is deleted; `stays` if its size is bounded by the number of queues, groups or models. */
  readonly expiry: string;
  readonly cap: string;
}

/** An unfinished request expires after this time, which is never extended. */
export const REQUEST_TTL_MS = 24 * 3_600_000;
/**
 * Default retention of a request's record, stream and Idempotency-Key after it ends. `stream.replaySeconds` overrides it, and
 * a longer `resumeSeconds` extends it.
 */
export const ENDED_TTL_MS = 10 * 60_000;
/** Maximum length of a queue's list of ended jobs. */
export const ENDED_LIST_LENGTH = 1_000;

const durable = (
  pattern: string,
  type: KeyInfo['type'],
  holds: string,
  writer: string,
  reader: string,
  expiry: string,
  cap: string,
): KeyInfo => ({ pattern, type, role: 'durable', holds, writer, reader, expiry, cap });

const exchange = (...key: Parameters<typeof durable>): KeyInfo => ({ ...durable(...key), role: 'exchange' });

export const KEYS: readonly KeyInfo[] = [
  durable(
    'cv:q:*',
    'bullmq',
    'BullMQ queues `<model>@<tenant>`',
    'gateway, leader',
    'leader, admin',
    'ended jobs: a day, the last 100 completed and 1,000 failed of a queue',
    '1.5 KB a job',
  ),
  durable(
    'cv:queues',
    'set',
    'names of all queues',
    'gateway',
    'leader, admin',
    'stays',
    'one name a model and tenant',
  ),
  durable(
    'cv:req:*',
    'string',
    'the GenerationRequest with its prompt, JSON',
    'gateway',
    'leader',
    'deleted at the end (kept 10 min when failed); 24 h',
    'the body limit of the gateway',
  ),
  durable(
    'cv:job:*',
    'hash',
    'GenerationRecord: metadata of a request, without its content; how its answer is read, with names of tools',
    'gateway, leader',
    'all',
    '24 h; 10 min after the end',
    '700 B; names of tools and their text parameters in addition',
  ),
  durable(
    'cv:out:*',
    'stream',
    'token stream, ids `<seq>-0`, field `e`',
    'leader (finish: all)',
    'gateway',
    '24 h; 10 min after the end',
    'maxTokens x choices + 1 entries of <= 64 KiB',
  ),
  durable(
    'cv:idem:*',
    'string',
    'request id and body digest of an Idempotency-Key',
    'gateway',
    'gateway',
    '24 h; 10 min after the end, as its request',
    '150 B',
  ),
  durable(
    'cv:waiting:*',
    'zset',
    'ids waiting in a queue, by arrival time',
    'gateway, leader',
    'gateway, admin',
    'empties',
    'waiting limit of the tenant',
  ),
  durable(
    'cv:running:*',
    'zset',
    'ids of a queue that are running, by start time',
    'leader',
    'admin',
    'empties',
    'slots',
  ),
  durable('cv:ended:*', 'zset', 'ids of a queue that have ended, by end time', 'finish', 'admin', '24 h', '1,000 ids'),
  durable(
    'cv:stat:*',
    'hash',
    'counts and dispatch gap of a queue',
    'leader, finish',
    'gateway, admin',
    'stays',
    '200 B',
  ),
  durable(
    'cv:fair:*',
    'hash',
    'fair-dispatch counters of a model: v, repaired, and c: w: of each queue',
    'gateway, leader',
    'leader, admin',
    'stays',
    '100 B a queue',
  ),
  durable(
    'cv:ready:*',
    'zset',
    'queues of a model with a dispatchable job, by virtual counter',
    'gateway, leader',
    'leader',
    'empties',
    'one a queue',
  ),
  durable(
    'cv:idle:*',
    'hash',
    'idle groups of a model, with their lease',
    'leader, gateway',
    'gateway',
    'empties',
    'one a group',
  ),
  durable('cv:drain', 'set', 'queues that accept no new requests', 'admin', 'gateway', 'stays', 'one a queue'),
  durable('cv:held:*', 'hash', 'ids that a group owns, with their queue', 'leader', 'leader', 'empties', 'slots'),
  durable('cv:cancel:*', 'set', 'ids that a group must cancel', 'gateway', 'leader', 'empties', 'slots'),
  durable(
    'cv:gateways',
    'zset',
    'gateways by last heartbeat',
    'gateway',
    'reaper',
    'stale ones are removed',
    'one a gateway',
  ),
  durable('cv:follows:*', 'set', 'ids that a gateway follows', 'gateway', 'reaper', 'with the gateway', 'open streams'),
  durable(
    'cv:orphans',
    'zset',
    'ids without a follower, by cancellation deadline',
    'gateway, reaper',
    'reaper',
    'empties',
    'open streams',
  ),
  durable(
    'cv:lease:*',
    'string',
    'leader of a group: `epoch:nonce:node`',
    'node',
    'node, leader',
    'lease length',
    '100 B',
  ),
  durable(
    'cv:epoch:*',
    'hash',
    'highest epoch of a group and the run id of its Redis',
    'node',
    'node',
    'stays',
    '100 B',
  ),
  durable(
    'cv:routing:*',
    'string',
    'RoutingRecord, JSON',
    'leader',
    'leader, planner, admin',
    'stays',
    '64 KiB a model',
  ),
  durable('cv:plan:*', 'string', 'GroupPlan in force, JSON', 'leader', 'node, admin', 'stays', '64 KiB'),
  durable('cv:plans:*', 'stream', 'plans of a group in their order', 'leader', 'admin', 'stays', 'about 200 plans'),
  durable(
    'cv:placement:*',
    'string',
    'target placement: what each node of a group must hold, JSON',
    'leader',
    'node, admin',
    'stays',
    '64 KiB',
  ),
  durable(
    'cv:exchange:*',
    'string',
    'URL of the exchange Redis of a group, with its password',
    'leader',
    'node',
    'stays',
    '500 B',
  ),
  durable(
    'cv:pack-token',
    'string',
    'shared secret for fetching packs from other nodes',
    'node',
    'node',
    'stays',
    '64 B',
  ),
  durable('cv:node:*', 'string', 'NodeReport, JSON', 'node', 'all', '3 heartbeats', '8 KiB'),
  durable('cv:nodes', 'zset', 'nodes by last heartbeat', 'node', 'all', 'stale ones are removed', 'one a node'),
  durable(
    'cv:model:*',
    'hash',
    'ModelCard: digest, and gzip of its JSON',
    'leader',
    'gateway',
    '30 s after the last publication',
    '16 MiB',
  ),
  durable(
    'cv:models',
    'zset',
    'models by last publication',
    'leader',
    'gateway',
    'stale ones are removed',
    'one a model',
  ),
  durable(
    'cv:key:*',
    'hash',
    'an API key: keyed hash, tenant, scopes, times; never the key',
    'gateway, cli',
    'gateway, cli',
    'stays: revoked keys remain on record',
    '400 B',
  ),
  durable('cv:keys', 'set', 'prefixes of all API keys', 'gateway, cli', 'gateway, cli', 'stays', 'one a key'),
  durable(
    'cv:tenant:*',
    'hash',
    'settings of a tenant made by an operator',
    'gateway, cli',
    'gateway, cli',
    'stays',
    '4 KiB',
  ),
  durable('cv:tenants', 'set', 'ids of tenants with a record', 'gateway, cli', 'gateway, cli', 'stays', 'one a tenant'),
  durable(
    'cv:audit',
    'stream',
    'changes made by operators',
    'gateway, cli',
    'gateway',
    'stays',
    'about 10,000 entries',
  ),
  durable(
    'cv:ended-session:*',
    'string',
    'marks a browser session that was signed out before it expired',
    'gateway',
    'gateway',
    'when the session expires',
    '1 B',
  ),
  durable('cv:rate:*', 'string', 'requests of a tenant per minute', 'gateway', 'gateway', '1 min', '20 B'),
  durable(
    'cv:rewriting',
    'string',
    'marks that the append-only file was rewritten in this interval',
    'gateway',
    'gateway',
    'appendOnlyRewriteSeconds',
    '1 B',
  ),
  durable('cv:probe', 'string', 'write probe: shows that Redis accepts writes', 'gateway', 'none', '10 s', '1 B'),
  durable('cv:reaping', 'string', 'lock of the process that reaps', 'gateway, leader', 'gateway, leader', '1 s', '1 B'),
  durable(
    'cv:to-gateway:*',
    'channel',
    'entries of the streams that a gateway follows',
    'append, finish',
    'gateway',
    '',
    'one batch',
  ),
  durable('cv:wake:*', 'channel', 'signals that a model may have work', 'gateway, leader', 'leader', '', '1 B'),
  durable('cv:given:*', 'channel', 'a job handed directly to an idle group', 'gateway', 'leader', '', 'one request'),
  durable('cv:to-group:*', 'channel', 'ids that a group must cancel', 'gateway', 'leader', '', 'one id'),
  exchange(
    'cv:steps:*',
    'stream',
    'step log of a group: plans and steps, ids `<epoch<<32|step>-1`',
    'leader',
    'node',
    'stays',
    '16 entries',
  ),
  exchange(
    'cv:frames:*',
    'stream',
    'frames of a sender: broadcast, `<group>:<sender>`, or to one receiver, `<group>:<sender>><receiver>`',
    'node',
    'node',
    '10 min after the last frame',
    'two layers of a step; up to 16 rows: two steps',
  ),
  durable('cv:cards', 'channel', 'name of a model whose card changed', 'leader', 'gateway', '', 'one name'),
];

/** Prefix of each key family; Lua scripts see this table as `P`. */
export const prefixes = {
  bullmq: 'cv:q:',
  request: 'cv:req:',
  job: 'cv:job:',
  out: 'cv:out:',
  idempotency: 'cv:idem:',
  waiting: 'cv:waiting:',
  running: 'cv:running:',
  ended: 'cv:ended:',
  stat: 'cv:stat:',
  fair: 'cv:fair:',
  ready: 'cv:ready:',
  idle: 'cv:idle:',
  held: 'cv:held:',
  cancel: 'cv:cancel:',
  follows: 'cv:follows:',
  lease: 'cv:lease:',
  epoch: 'cv:epoch:',
  routing: 'cv:routing:',
  plan: 'cv:plan:',
  plans: 'cv:plans:',
  placement: 'cv:placement:',
  exchange: 'cv:exchange:',
  steps: 'cv:steps:',
  frames: 'cv:frames:',
  node: 'cv:node:',
  model: 'cv:model:',
  apiKey: 'cv:key:',
  tenant: 'cv:tenant:',
  endedSession: 'cv:ended-session:',
  rate: 'cv:rate:',
  toGateway: 'cv:to-gateway:',
  wake: 'cv:wake:',
  given: 'cv:given:',
  toGroup: 'cv:to-group:',
} as const;

export type KeyFamily = keyof typeof prefixes;

/** Keys without an id; Lua scripts see this table as `K`. */
export const singleKeys = {
  queues: 'cv:queues',
  drain: 'cv:drain',
  gateways: 'cv:gateways',
  orphans: 'cv:orphans',
  packToken: 'cv:pack-token',
  nodes: 'cv:nodes',
  models: 'cv:models',
  apiKeys: 'cv:keys',
  tenants: 'cv:tenants',
  audit: 'cv:audit',
  reaping: 'cv:reaping',
  probe: 'cv:probe',
  rewriting: 'cv:rewriting',
  cards: 'cv:cards',
} as const;

/** BullMQ's `prefix` option; its keys are `cv:q:<queue>:<type>`. */
export const BULLMQ_PREFIX = prefixes.bullmq.slice(0, -1);

/** The key of an id in a family. The table above gives the kind of id: request, queue, model, group, gateway or node. */
export function keyOf(family: KeyFamily, id: string): string {
  return `${prefixes[family]}${id}`;
}
