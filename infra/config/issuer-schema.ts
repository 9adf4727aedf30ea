// Schema of the JWT issuers of conclave.yaml. Anyone who can replace an issuer's keys can impersonate its tenants, so keys must
// be fetched over https, and names and URLs of issuers must be unique.
import { z } from 'zod';
import { SCOPES } from '../tenants/scope.ts';

/** Asymmetric only: accepting a shared-secret algorithm as well would allow RS256/HS256 key confusion. */
const JWT_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const;

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

const seconds = z.number().positive().max(86_400);

const issuerSchema = z.strictObject({
  /** Names the issuer inside tenant ids: tenant `acme` of issuer `corp` is `corp/acme`. */
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/),
  /** Exactly the `iss` claim. */
  issuer: z.string().min(1),
  /** One of them must be in the `aud` claim. */
  audiences: z.array(z.string().min(1)).min(1),
  algorithms: z.array(z.enum(JWT_ALGORITHMS)).min(1).default(['RS256']),
  /** Where the issuer publishes its keys; plain http only on this machine. */
  jwksUri: z.url({ protocol: /^https?$/ }).superRefine(refuseOpenUrl),
  /** Dots reach into objects: `org.id`. */
  tenantClaim: z.string().min(1).default('tenant'),
  /** A string of words or an array of strings. */
  scopeClaim: z.string().min(1).default('scope'),
  /** What its tokens can grant at most; admin scopes reach beyond one tenant. */
  scopes: z.array(z.enum(SCOPES)).default(['chat']),
  clockToleranceSeconds: z.number().min(0).max(300).default(5),
  /** At most one fetch of the keys in this time, however many unknown key ids arrive. */
  cooldownSeconds: seconds.default(30),
  cacheSeconds: seconds.default(600),
});

export type IssuerConfig = z.infer<typeof issuerSchema>;

/** All issuers; each has a name and an `iss` of its own. */
export const issuersSchema = z.array(issuerSchema).superRefine((issuers, context) => {
  for (const field of ['name', 'issuer'] as const) {
    for (const [index, issuer] of issuers.entries()) {
      const first = issuers.findIndex((other) => other[field] === issuer[field]);
      if (first === index) continue;
      const message = `is the same as \`auth.jwt.${first}.${field}\`; ${WHY_UNIQUE[field]}`;
      context.addIssue({ code: 'custom', path: [index, field], message });
    }
  }
});

const WHY_UNIQUE = {
  name: 'issuers with the same name would share their tenants. Give each its own',
  issuer: 'only the first of them would be used. Merge them, or remove one',
} as const;

function refuseOpenUrl(text: string, context: z.RefinementCtx): void {
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') {
    context.addIssue({ code: 'custom', message: 'expected a URL without user and password' });
  }
  if (url.protocol === 'https:' || LOOPBACK.test(url.hostname)) return;
  const message =
    'expected https: over plain http an attacker on the network can replace the keys and forge tokens of every tenant';
  context.addIssue({
    code: 'custom',
    message: `${message} (http is allowed only for this machine: localhost, 127.0.0.1, [::1])`,
  });
}
