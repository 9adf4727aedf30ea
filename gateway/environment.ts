// What travels with a request through the app's handlers.
import type { Context } from 'hono';
import type { TenantPolicy } from '../infra/tenants/tenant-store.ts';
import type { Principal } from './auth/principal.ts';

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
  };
}

export type GatewayContext = Context<GatewayEnv>;
