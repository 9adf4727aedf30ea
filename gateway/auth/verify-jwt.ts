// JWT -> Principal. The unverified `iss` only picks which configured issuer's keys, audiences and algorithms apply; nothing
// else of the token is believed before its signature holds. Algorithms are asymmetric by configuration, so a public key can
// never serve as an HMAC secret.
import { createRemoteJWKSet, decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose';
import type { IssuerConfig } from '../../infra/config/issuer-schema.ts';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { knownScopes } from '../../infra/tenants/scope.ts';
import { issuedTenantId } from '../../infra/tenants/tenant-id.ts';
import type { Principal } from './principal.ts';

const FETCH_TIMEOUT_MS = 5000;

export type JwtVerifier = (token: string, nowMs: number) => Promise<Principal | undefined>;

interface Issuer {
  readonly config: IssuerConfig;
  readonly keys: ReturnType<typeof createRemoteJWKSet>;
}

/**
 * A verifier for the configured issuers. It resolves to undefined for any token that is not valid.
 * It rejects with `unavailable` when an issuer's keys cannot be fetched: the token may be fine.
 */
export function createJwtVerifier(configs: readonly IssuerConfig[]): JwtVerifier {
  const issuers = new Map(configs.map((config) => [config.issuer, { config, keys: remoteKeys(config) }]));
  return async (token, nowMs) => {
    const issuer = issuers.get(claimedIssuer(token) ?? '');
    if (issuer === undefined) return undefined;
    const payload = await verifiedPayload(issuer, token, nowMs);
    return payload === undefined ? undefined : toPrincipal(issuer.config, payload);
  };
}

/** An unknown key id triggers a fetch, at most one per cooldown: rotation works, and tokens cannot make us hammer the issuer. */
function remoteKeys(config: IssuerConfig): Issuer['keys'] {
  return createRemoteJWKSet(new URL(config.jwksUri), {
    cooldownDuration: config.cooldownSeconds * 1000,
    cacheMaxAge: config.cacheSeconds * 1000,
    timeoutDuration: FETCH_TIMEOUT_MS,
  });
}

function claimedIssuer(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    // Not a JWT: the caller answers as for any wrong credential.
    return undefined;
  }
}

async function verifiedPayload(issuer: Issuer, token: string, nowMs: number): Promise<JWTPayload | undefined> {
  const { config, keys } = issuer;
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer: config.issuer,
      audience: config.audiences,
      algorithms: config.algorithms,
      clockTolerance: config.clockToleranceSeconds,
      requiredClaims: ['exp', 'sub'],
      currentDate: new Date(nowMs),
    });
    return payload;
  } catch (error) {
    if (isFetchFailure(error)) throw keysUnavailable(config, error);
    return undefined;
  }
}

/** jose throws its own errors about tokens and keys; the network's and a bad answer of the issuer are no fault of the token. */
function isFetchFailure(error: unknown): boolean {
  if (!(error instanceof errors.JOSEError)) return true;
  return error.code === 'ERR_JOSE_GENERIC' || error.code === 'ERR_JWKS_TIMEOUT' || error.code === 'ERR_JWKS_INVALID';
}

function keysUnavailable(config: IssuerConfig, cause: unknown): DomainError {
  const message = `The keys of the token issuer '${config.name}' cannot be fetched. Try again in a few seconds.`;
  return new DomainError('unavailable', message, { cause, retryAfterSeconds: 5 });
}

function toPrincipal(config: IssuerConfig, payload: JWTPayload): Principal | undefined {
  const tenant = issuedTenantId(config.name, claimAt(payload, config.tenantClaim));
  if (tenant === undefined) return undefined;
  const scopes = claimAt(payload, config.scopeClaim);
  const words = typeof scopes === 'string' ? scopes.split(' ') : Array.isArray(scopes) ? scopes : [];
  const granted = knownScopes(words).filter((scope) => config.scopes.includes(scope));
  return { tenant, subject: `${config.name}:${payload.sub ?? ''}`, scopes: granted };
}

/** A claim's own name may contain dots (URLs as claim names), so that is tried before they reach into objects. */
function claimAt(payload: JWTPayload, path: string): unknown {
  if (Object.hasOwn(payload, path)) return payload[path];
  return path.split('.').reduce<unknown>((value, name) => {
    const inside = typeof value === 'object' && value !== null && Object.hasOwn(value, name);
    return inside ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
  }, payload);
}
