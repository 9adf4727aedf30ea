// Authorization header -> caller. In: the header's value. Out: principal and policy, or `invalid_api_key`. The error does not
// reveal why a credential was rejected.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { KeyStore } from '../../infra/tenants/key-store.ts';
import type { TenantStore } from '../../infra/tenants/tenant-store.ts';
import { type Caller, refuseBlocked } from './principal.ts';
import { verifyApiKey } from './verify-api-key.ts';
import type { JwtVerifier } from './verify-jwt.ts';

/** Longer tokens are refused without being parsed. */
const MAX_TOKEN_LENGTH = 8192;
const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*) *$/i;

/**
 * The value of an Authorization header, also for clients that send their key in a header of its own: Anthropic's in `x-api-key`,
 * Azure's in `api-key`.
 */
export function readCredential(header: (name: string) => string | undefined): string | undefined {
  const key = header('x-api-key') ?? header('api-key');
  return header('authorization') ?? (key === undefined ? undefined : `Bearer ${key}`);
}

/** @throws DomainError `invalid_api_key`, `insufficient_scope` for a blocked tenant, or `unavailable` when the credential cannot be checked now. */
export type Authenticator = (authorization: string | undefined, nowMs: number) => Promise<Caller>;

/** Accepts API keys of `keys` and tokens that `verifyJwt` accepts. */
export function createAuthenticator(keys: KeyStore, tenants: TenantStore, verifyJwt: JwtVerifier): Authenticator {
  const verifyIssued = async (token: string, nowMs: number) => {
    const principal = await verifyJwt(token, nowMs);
    return principal && { principal, policy: await tenants.policy(principal.tenant) };
  };
  return async (authorization, nowMs) => {
    if (authorization === undefined) throw missing();
    const token = authorization.length <= MAX_TOKEN_LENGTH ? BEARER.exec(authorization)?.[1] : undefined;
    if (token === undefined) throw wrong();
    const isKey = token.startsWith('cvk_');
    const caller = await (isKey ? verifyApiKey(keys, tenants, token, nowMs) : verifyIssued(token, nowMs));
    if (caller === undefined) throw wrong();
    refuseBlocked(caller.policy);
    return caller;
  };
}

function missing(): DomainError {
  const expected = "expected the header 'Authorization: Bearer <key>'";
  return new DomainError('invalid_api_key', `You did not provide an API key: ${expected}.`);
}

function wrong(): DomainError {
  return new DomainError('invalid_api_key', 'Incorrect API key provided. It may be misspelt, expired or revoked.');
}
