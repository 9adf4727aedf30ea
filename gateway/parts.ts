// The gateway's dependencies, as interfaces. start-gateway.ts injects the real ones; tests inject scripted ones in place of
// other processes. No other gateway module opens a connection.

import type { Config } from '../infra/config/config-schema.ts';
import type { Logger } from '../infra/log/logger.ts';
import type { AnswerReading } from '../infra/messages/answer-reading.ts';
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
import type { ResponseStore } from './apis/responses/response-store.ts';
import type { Authenticator } from './auth/authenticate.ts';
import type { RequestRateLimit } from './auth/limit-request-rate.ts';
import type { Sessions } from './auth/sessions.ts';
import type { BatchStore } from './batches/batch-store.ts';
import type { Conversation } from './conversation/conversation.ts';
import type { FileStore } from './files/file-store.ts';
import type { GenerationQueue } from './queue/enqueue-generation.ts';
import type { StreamFollower } from './stream/follow-streams.ts';

/** A conversation in tokens. */
export interface EncodedChat {
  readonly tokens: readonly number[];
  /** The prompt ends inside the reasoning of the answer. */
  readonly reasoningOpen: boolean;
}

/** What a model's template and vocabulary say about its answers. */
export interface AnswerTraits {
  /** Names of formats (gateway/answer-formats); null where the model does not write calls, or reasoning. */
  readonly calls: string | null;
  readonly reasoning: string | null;
  /** The special tokens among the marks of these formats. */
  readonly specialMarks: readonly { readonly id: number; readonly text: string }[];
  /** Whether the template renders tools. */
  readonly takesTools: boolean;
}

/** A model that workers currently serve, and the functions that prepare a request for it. */
export interface ServedModel {
  readonly name: string;
  /** Unix time in seconds. */
  readonly created: number;
  /** Maximum tokens of prompt and completion together. */
  readonly maxContext: number;
  readonly vocab: number;
  readonly eosTokenIds: readonly number[];
  /** OpenAI's `system_fingerprint`; null if the worker publishes none. */
  readonly fingerprint: string | null;
  readonly traits: AnswerTraits;
  /**
   * Renders the conversation with the chat template and encodes it. Throws `invalid_request` if the template rejects it,
   * `context_length_exceeded` if it is too long to encode, and `queue_full` or `unavailable` if too many prompts are waiting.
   */
  encodeChat(conversation: Conversation, tenant: string): Promise<EncodedChat>;
  /** Encodes plain text, including the tokens that the model expects before any text. Throws as `encodeChat` does. */
  encodeText(text: string, tenant: string): Promise<readonly number[]>;
  /** The bytes of a token; not necessarily valid UTF-8 on their own. */
  tokenBytes(id: number): Uint8Array;
}

export interface ServedModels {
  list(): readonly { readonly name: string; readonly created: number; readonly maxContext: number }[];
  /** Undefined if no worker serves a model of this name. */
  find(name: string): Promise<ServedModel | undefined>;
}

/** Views and actions for operators, except those on tenants and keys. */
export interface Operations {
  queues(): Promise<readonly QueueView[]>;
  jobs(filter: JobFilter, page: { readonly limit: number; readonly after: string | null }): Promise<JobPage>;
  nodes(): Promise<readonly NodeReport[]>;
  /** The last plans of a group, newest first. */
  plans(group: string, count: number): Promise<readonly GroupPlan[]>;
  /** The router's recent expert choices for a model; null if there is no record. */
  routing(model: string): Promise<RoutingRecord | null>;
  readonly control: Omit<QueueControl, 'close'>;
  /** Enqueues a failed request again and returns its new id. Throws `not_found`, or `conflict` if it did not fail. */
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
  /** Metadata of a request, without its content; null if the request is unknown. */
  readonly findGeneration: (id: string) => Promise<GenerationRecord | null>;
  /** How the answer to a request is read; null if all of its text is content. */
  readonly findReading: (id: string) => Promise<AnswerReading | null>;
  readonly operations: Operations;
  /** Responses that the Responses API keeps. */
  readonly responses: ResponseStore;
  readonly files: FileStore;
  readonly batches: BatchStore;
  readonly jobBoard: JobBoard;
  /** Reasons why this gateway is not ready; empty if it is. */
  readonly unreadyReasons: () => Promise<readonly string[]>;
  /** Unix time in ms. */
  readonly clock: () => number;
  /** Cryptographically random bytes, for ids and seeds. */
  readonly random: (size: number) => Uint8Array;
  readonly log: Logger;
  readonly metrics: Metrics;
}
