// How this machine reaches a hub: environment variables and files that other tools of Hugging Face read as well.
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { DomainError } from '../../infra/errors/domain-error.ts';

export interface HubAccess {
  /** Without a slash at the end. */
  readonly endpoint: string;
  /** Sent to the endpoint only. */
  readonly token: string | null;
  /** Nothing is asked of the hub; what is in the cache is used. */
  readonly offline: boolean;
  /** Of all models, as other tools lay it out. */
  readonly cache: string;
}

const PUBLIC_HUB = 'https://huggingface.co';
const ON = /^(?:1|on|yes|true)$/i;

/**
 * HF_ENDPOINT, HF_TOKEN or the file HF_TOKEN_PATH, HF_HUB_OFFLINE, HF_HUB_CACHE or HF_HOME. Throws DomainError `bad_config` if the
 * endpoint is no URL of HTTP.
 */
export function readHubAccess(environment: NodeJS.ProcessEnv): HubAccess {
  const home =
    environment['HF_HOME'] ?? join(environment['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'huggingface');
  const endpoint = (environment['HF_ENDPOINT'] ?? PUBLIC_HUB).replace(/\/+$/, '');
  if (!/^https?:\/\/[^/]/.test(endpoint)) {
    throw new DomainError('bad_config', `HF_ENDPOINT is "${endpoint}": expected a URL such as ${PUBLIC_HUB}.`);
  }
  return {
    endpoint,
    token: environment['HF_TOKEN'] ?? readToken(environment['HF_TOKEN_PATH'] ?? join(home, 'token')),
    offline: ON.test(environment['HF_HUB_OFFLINE'] ?? ''),
    cache: resolve(environment['HF_HUB_CACHE'] ?? join(home, 'hub')),
  };
}

function readToken(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim() || null;
  } catch {
    // No token was ever stored; public models need none.
    return null;
  }
}
