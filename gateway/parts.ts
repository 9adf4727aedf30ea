// What the gateway is put together from. `main.ts` passes the real parts, tests pass scripted ones where the real part is
// another process. Everything here is an interface: no module of the gateway opens a connection by itself.

import type { Config } from '../infra/config/config-schema.ts';
import type { Logger } from '../infra/log/logger.ts';
import type { GroupPlan } from '../infra/messages/group-plan.ts';
import type { Metrics } from '../infra/metrics/metrics.ts';
import type { QueueControl } from '../infra/queue/control-queues.ts';
import type { GenerationRecord } from '../infra/queue/generation-record.ts';
import type { JobFilter, JobPage } from '../infra/queue/inspect-jobs.ts';
import type { QueueView } from '../infra/queue/inspect-queues.ts';
import type { NodeReport } from '../infra/registry/node-heartbeats.ts';
import type { RoutingRecord } from '../infra/registry/routing-counts.ts';
import type { AuditLog } from '../infra/tenants/audit-log.ts';
import type { KeyStore } from '../infra/tenants/key-store.ts';
import type { TenantStore } from '../infra/tenants/tenant-store.ts';
import type { JobBoard } from './admin/job-board.ts';
import type { Authenticator } from './auth/authenticate.ts';
import type { RequestRateLimit } from './auth/limit-request-rate.ts';
import type { Sessions } from './auth/sessions.ts';
import type { GenerationQueue } from './queue/enqueue-generation.ts';
import type { StreamFollower } from './stream/follow-streams.ts';

/** One message of a conversation. */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string | readonly { readonly type: 'text'; readonly text: string }[];
  /** Who speaks, for templates that say so. */
  readonly name?: string;
}

/** A model that workers serve now, with what it takes to prepare a request for it. */
export interface ServedModel {
  readonly name: string;
  /** Unix time in seconds. */
  readonly created: number;
  /** Prompt and completion together, in tokens. */
  readonly maxContext: number;
  readonly vocab: number;
  readonly eosTokenIds: readonly number[];
  /**
   * The conversation in the model's chat format, as tokens. Throws `invalid_request` for what its template refuses,
   * `context_length_exceeded` for what is too long to be encoded, `queue_full` or `unavailable` while too much waits for that.
   */
  encodeChat(messages: readonly ChatMessage[], tenant: string): Promise<readonly number[]>;
  /** Plain text as tokens, with the tokens that the model expects in front of any text. Throws as `encodeChat` does. */
  encodeText(text: string, tenant: string): Promise<readonly number[]>;
  /** The bytes that a token stands for; not always valid UTF-8 on their own. */
  tokenBytes(id: number): Uint8Array;
}

export interface ServedModels {
  list(): readonly { readonly name: string; readonly created: number; readonly maxContext: number }[];
  /** Undefined when no worker serves a model of this name. */
  find(name: string): Promise<ServedModel | undefined>;
}

/** What operators see and do beside tenants and keys. */
export interface Operations {
  queues(): Promise<readonly QueueView[]>;
  jobs(filter: JobFilter, page: { readonly limit: number; readonly after: string | null }): Promise<JobPage>;
  nodes(): Promise<readonly NodeReport[]>;
  /** The last plans of a group, newest first. */
  plans(group: string, count: number): Promise<readonly GroupPlan[]>;
  /** What the router of a model chose of late; null when nothing is known. */
  routing(model: string): Promise<RoutingRecord | null>;
  readonly control: Omit<QueueControl, 'close'>;
  /** Queues a failed request again and returns its new id. Throws `not_found`, or `conflict` unless it failed. */
  retry(id: string): Promise<string>;
}

export interface GatewayParts {
  readonly config: Config;
  readonly authenticator: Authenticator;
  readonly sessions: Sessions;
  readonly rateLimit: RequestRateLimit;
  readonly tenants: TenantStore;
  readonly keys: KeyStore;
  readonly audit: AuditLog;
  readonly models: ServedModels;
  readonly queue: GenerationQueue;
  readonly streams: StreamFollower;
  /** What is known of a request beside its content, null when unknown. */
  readonly findGeneration: (id: string) => Promise<GenerationRecord | null>;
  readonly operations: Operations;
  readonly jobBoard: JobBoard;
  /** Reasons why this gateway cannot serve now; none when it can. */
  readonly unreadyReasons: () => Promise<readonly string[]>;
  /** Unix time in ms. */
  readonly clock: () => number;
  /** n unpredictable bytes: ids and seeds. */
  readonly random: (size: number) => Uint8Array;
  readonly log: Logger;
  readonly metrics: Metrics;
}
