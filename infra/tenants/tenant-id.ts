// A tenant id is `<name>` for tenants with API keys and `<issuer name>/<claim>` for tenants of a JWT issuer. The slash is
// what keeps them apart: no claim can spell the id of an API-key tenant, and no issuer that of another issuer's tenant.

const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const CLAIM = /^[A-Za-z0-9][A-Za-z0-9._@|:+-]{0,127}$/;

/** Whether this may be the id of a tenant that has API keys. */
export function isTenantName(text: string): boolean {
  return NAME.test(text);
}

/** Whether this may be any tenant's id. */
export function isTenantId(text: string): boolean {
  const slash = text.indexOf('/');
  return slash < 0 ? isTenantName(text) : isTenantName(text.slice(0, slash)) && CLAIM.test(text.slice(slash + 1));
}

/** The id of an issuer's tenant, undefined when the claim cannot be part of an id. */
export function issuedTenantId(issuerName: string, claim: unknown): string | undefined {
  return typeof claim === 'string' && CLAIM.test(claim) ? `${issuerName}/${claim}` : undefined;
}
