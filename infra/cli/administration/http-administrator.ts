// Administration over the admin API of a running gateway.
import { callGateway, refusal } from '../call-gateway.ts';
import type { Administrator } from './administrator.ts';

/** `key` needs admin:read, and admin:write for changes. Failures carry the gateway's message. */
export function httpAdministrator(url: string, key: string): Administrator {
  const call = async <T>(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: object): Promise<T> => {
    const response = await callGateway({ url, key, method, path: `/admin/api${path}`, ...(body && { body }) });
    const answer: unknown = await response.body.json();
    if (response.statusCode < 300) return answer as T;
    throw refusal(answer);
  };
  const list = async <T>(path: string) => (await call<{ readonly data: readonly T[] }>('GET', path)).data;
  return {
    createKey: (options) => call('POST', '/keys', options),
    listKeys: (tenant) => list(`/keys${tenant === undefined ? '' : `?tenant=${encodeURIComponent(tenant)}`}`),
    revokeKey: (prefix) => call('DELETE', `/keys/${encodeURIComponent(prefix)}`),
    createTenant: (id, policy) => call('POST', '/tenants', { id, ...policy }),
    setTenant: (id, policy) => call('PATCH', `/tenants/${id}`, policy),
    listTenants: () => list('/tenants'),
    close: async () => {},
  };
}
