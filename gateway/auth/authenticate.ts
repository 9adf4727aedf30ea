// Authorization header -> Principal. In: the header's text. Out: a principal, or `invalid_api_key`. Which of the many things
// was wrong with a credential is not told to its bearer.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { KeyStore } from '../../infra/tenants/key-store.ts';
import type { Principal } from './principal.ts';
import { verifyApiKey } from './verify-api-key.ts';
import type { JwtVerifier } from './verify-jwt.ts';

/** Longer ones are refused before any work is done on them. */
const MAX_TOKEN_LENGTH = 8192;
const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*) *$/i;

/** @throws DomainError `invalid_api_key`, or `unavailable` when the credential cannot be checked now. */
export type Authenticator = (authorization: string | undefined, nowMs: number) => Promise<Principal>;

/** Accepts API keys of `keys` and tokens that `verifyJwt` accepts. */
export function createAuthenticator(keys: KeyStore, verifyJwt: JwtVerifier): Authenticator {
  return async (authorization, nowMs) => {
    if (authorization === undefined) throw missing();
    const token = authorization.length <= MAX_TOKEN_LENGTH ? BEARER.exec(authorization)?.[1] : undefined;
    if (token === undefined) throw wrong();
    const verify = token.startsWith('cvk_') ? verifyApiKey(keys, token, nowMs) : verifyJwt(token, nowMs);
    const principal = await verify;
    if (principal === undefined) throw wrong();
    return principal;
  };
}

function missing(): DomainError {
  const expected = "expected the header 'Authorization: Bearer <key>'";
  return new DomainError('invalid_api_key', `You did not provide an API key: ${expected}.`);
}

function wrong(): DomainError {
  return new DomainError('invalid_api_key', 'Incorrect API key provided.');
}
