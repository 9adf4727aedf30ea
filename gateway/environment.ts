// What travels with a request through the app's handlers.
import type { Context } from 'hono';
import type { TenantPolicy } from '../infra/tenants/tenant-store.ts';
import type { Principal } from './auth/principal.ts';
import type { JsonBody } from './request/read-json-body.ts';

export interface QueuedGeneration {
  readonly id: string;
  /** The client's name for its end user. */
  readonly endUser: string | null;
  /** True when an earlier request with the same Idempotency-Key answers. */
  readonly repeated: boolean;
}

export interface GatewayEnv {
  Variables: {
    /** Said to the client as x-request-id and in every log line. */
    requestId: string;
    /** Unix time in ms at which the request arrived. */
    startedAtMs: number;
    /** Set on every route but the open ones. */
    principal: Principal;
    /** What holds for the principal's tenant; set on every route for tenants. */
    policy: TenantPolicy;
    /** Set where it is read ahead. */
    body: Promise<JsonBody> | undefined;
    /** What the log says of the generation that was queued. */
    generation: QueuedGeneration | undefined;
  };
}

export type GatewayContext = Context<GatewayEnv>;
