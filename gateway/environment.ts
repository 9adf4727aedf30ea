// Per-request state of the Hono app.
import type { Context } from 'hono';
import type { TenantPolicy } from '../infra/tenants/tenant-store.ts';
import type { Caller, Principal } from './auth/principal.ts';
import type { JsonBody } from './request/read-json-body.ts';

export interface QueuedGeneration {
  readonly id: string;
  /** The `user` field: the client's identifier of its end user. */
  readonly endUser: string | null;
  /** True if the answer comes from an earlier request with the same Idempotency-Key. */
  readonly repeated: boolean;
}

export interface GatewayEnv {
  /** What the process itself hands to the app; requests from outside cannot. */
  Bindings: {
    /** Takes the place of a credential. */
    readonly internalCaller?: Caller;
  };
  Variables: {
    /** Sent to the client as x-request-id and written to every log line. */
    requestId: string;
    /** Unix time in ms at which the request arrived. */
    startedAtMs: number;
    /** Set on every route that requires authentication. */
    principal: Principal;
    /** Policy of the principal's tenant; set on every route for tenants. */
    policy: TenantPolicy;
    /** Set on routes that read the body before authentication completes. */
    body: Promise<JsonBody> | undefined;
    /** The enqueued generation, for the request log. */
    generation: QueuedGeneration | undefined;
  };
}

export type GatewayContext = Context<GatewayEnv>;
