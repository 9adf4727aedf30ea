// A JWT issuer: keys in this process, its JWKS on a loopback port.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from 'jose';

export const ISSUER = 'https://id.example';
export const AUDIENCE = 'conclave';

/** Starts an issuer that ends with the test. */
export async function startIssuer(test: TestContext) {
  const published: JWK[] = [];
  const keys = new Map<string, CryptoKey>();
  const pems = new Map<string, string>();
  const state = { fetches: 0, answer: 200 };
  const server = createServer((_, response) => {
    state.fetches += 1;
    response.writeHead(state.answer, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ keys: published }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  test.after(() => new Promise((resolve) => server.close(resolve)));
  const addKey = async (kid: string) => {
    const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
    published.push({ ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' });
    keys.set(kid, privateKey);
    pems.set(kid, await exportSPKI(publicKey));
  };
  await addKey('first');
  return {
    state,
    addKey,
    publicPem: () => pems.get('first') ?? '',
    jwksUri: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`,
    /** A token that is valid for ten minutes from `nowMs`, with changes to its claims. */
    sign: (nowMs: number, claims: Readonly<Record<string, unknown>> = {}, kid = 'first') => {
      const seconds = Math.floor(nowMs / 1000);
      const payload = { iss: ISSUER, aud: AUDIENCE, sub: 'ada', tenant: 'acme', scope: 'openid chat', ...claims };
      return new SignJWT({ iat: seconds, exp: seconds + 600, ...payload })
        .setProtectedHeader({ alg: 'RS256', kid })
        .sign(keys.get(kid) ?? new Uint8Array());
    },
  };
}
