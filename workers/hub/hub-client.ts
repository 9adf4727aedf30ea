// Requests to a hub: redirects to where files are stored, waiting where it asks for that, and errors with their remedy.
import { setTimeout as delay } from 'node:timers/promises';
import { type Dispatcher, EnvHttpProxyAgent } from 'undici';
import { z } from 'zod';
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { HubFile } from './choose-files.ts';
import type { HubAccess } from './hub-access.ts';
import type { HubName } from './model-name.ts';

/** A revision and its files, as they were when it was asked for. */
export interface HubRevision {
  readonly commit: string;
  readonly files: readonly HubFile[];
}

type Answer = Dispatcher.ResponseData;

const MOST_REDIRECTS = 5;
/** Attempts in a row that bring nothing. */
const MOST_FRUITLESS = 6;
const LONGEST_PAUSE_MS = 60_000;
const SILENCE_MS = 30_000;

const revisionSchema = z.object({
  sha: z.string().regex(/^[0-9a-f]{40}$/),
  siblings: z.array(
    z.object({
      rfilename: z.string(),
      size: z.number().int().nonnegative(),
      blobId: z.string().regex(/^[0-9a-f]{40}$/),
      lfs: z.object({ sha256: z.string().regex(/^[0-9a-f]{64}$/) }).nullish(),
    }),
  ),
});

export class HubClient {
  readonly #access: HubAccess;
  /** Proxies as HTTPS_PROXY, HTTP_PROXY and NO_PROXY name them. */
  readonly #agent = new EnvHttpProxyAgent({ headersTimeout: SILENCE_MS, bodyTimeout: SILENCE_MS });
  readonly #firstPauseMs: number;

  /** `firstPauseMs`: before the first repetition of what failed; each further one waits twice as long. */
  constructor(access: HubAccess, firstPauseMs: number) {
    this.#access = access;
    this.#firstPauseMs = firstPauseMs;
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  /** Throws DomainError: `not_found`, or `unavailable`, also for an answer that is no list. */
  async readRevision({ repository, revision }: HubName): Promise<HubRevision> {
    const path = `/api/models/${repository}/revision/${encodeURIComponent(revision)}?blobs=true`;
    const what = revision === 'main' ? repository : `${repository}@${revision}`;
    const text = await this.#repeat(what, async () => (await this.#get(path, {}, what)).body.text());
    const { data } = revisionSchema.safeParse(parseJson(text));
    if (data === undefined) {
      throw new DomainError('unavailable', `${this.#access.endpoint} gives no list of the files of ${what}.`);
    }
    const files = data.siblings.map(({ rfilename, size, blobId, lfs }) => ({
      name: rfilename,
      bytes: size,
      hash: lfs?.sha256 ?? blobId,
    }));
    return { commit: data.sha, files };
  }

  /**
   * Bytes `from` to `end` of a file, handed to `take` as they come, in order. Goes on where a connection was cut. Throws DomainError
   * if the hub gives other bytes than asked for, or none for too long.
   */
  async readRange(
    file: { readonly repository: string; readonly commit: string; readonly name: string },
    from: number,
    end: number,
    take: (bytes: Buffer, at: number) => Promise<void>,
  ): Promise<void> {
    const path = `/${file.repository}/resolve/${file.commit}/${encodeURIComponent(file.name)}`;
    const what = `${file.repository}/${file.name}`;
    let at = from;
    await this.#repeat(
      what,
      async () => {
        if (at === end) return;
        const { statusCode, headers, body } = await this.#get(path, { range: `bytes=${at}-${end - 1}` }, what);
        if (statusCode !== 206 && !(statusCode === 200 && at === 0)) throw new Interrupted(`status ${statusCode}`);
        if (statusCode === 206 && !String(headers['content-range']).startsWith(`bytes ${at}-`)) {
          throw new Interrupted(`another range: ${headers['content-range']}`);
        }
        for await (const chunk of body) {
          const bytes = (chunk as Buffer).subarray(0, end - at);
          await take(bytes, at);
          at += bytes.length;
          if (at === end) break;
        }
        if (at < end) throw new Interrupted('the connection ended too early');
      },
      () => at,
    );
  }

  /** Until it succeeds: what fails for a reason that may pass is tried again, as long as that brings something. */
  async #repeat<Value>(what: string, attempt: () => Promise<Value>, progress = (): number => 0): Promise<Value> {
    for (let fruitless = 0, before = progress(); ; ) {
      try {
        return await attempt();
      } catch (thrown) {
        if (thrown instanceof DomainError) throw thrown;
        fruitless = progress() > before ? 0 : fruitless + 1;
        before = progress();
        if (fruitless === MOST_FRUITLESS) throw this.#unreachable(what, thrown);
        const pause = thrown instanceof Interrupted ? thrown.pauseMs : null;
        await delay(Math.min(LONGEST_PAUSE_MS, pause ?? this.#firstPauseMs * 2 ** fruitless));
      }
    }
  }

  #unreachable(what: string, cause: unknown): DomainError {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new DomainError(
      'unavailable',
      `${what} could not be downloaded from ${this.#access.endpoint}: ${reason}. What was downloaded is kept; try again.`,
      { cause },
    );
  }

  /** Follows redirects. The token goes to the hub's own address only. */
  async #get(path: string, headers: Readonly<Record<string, string>>, what: string): Promise<Answer> {
    const hub = new URL(this.#access.endpoint);
    let url = new URL(`${this.#access.endpoint}${path}`);
    for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects += 1) {
      const own = url.origin === hub.origin && this.#access.token !== null;
      const authorization = own ? { authorization: `Bearer ${this.#access.token}` } : {};
      const answer = await this.#agent.request({
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method: 'GET',
        headers: { ...headers, ...authorization, 'accept-encoding': 'identity' },
      });
      const { location } = answer.headers;
      if (answer.statusCode < 300 || answer.statusCode >= 400 || typeof location !== 'string') {
        return this.#accept(answer, what);
      }
      await answer.body.dump();
      url = new URL(location, url);
    }
    throw new Interrupted(`more than ${MOST_REDIRECTS} redirects`);
  }

  async #accept(answer: Answer, what: string): Promise<Answer> {
    const { statusCode, headers, body } = answer;
    if (statusCode < 300) return answer;
    await body.dump();
    const refused = this.#refusal(statusCode, what);
    if (refused !== null) throw refused;
    const seconds = Number(headers['retry-after'] ?? Number.NaN);
    throw new Interrupted(`status ${statusCode}`, seconds >= 0 ? seconds * 1_000 : null);
  }

  /** Null for what may pass. */
  #refusal(status: number, what: string): DomainError | null {
    const { endpoint, token } = this.#access;
    if (status === 404) return new DomainError('not_found', `${endpoint} has no ${what}. Check its name and revision.`);
    if (status !== 401 && status !== 403) return null;
    const remedy =
      token === null
        ? `If it exists, it needs a token: accept its terms at ${endpoint}/${what} and set HF_TOKEN.`
        : `The token gives no access to it: accept its terms at ${endpoint}/${what}, or use the token of an account that has.`;
    return new DomainError('not_found', `${endpoint} does not give ${what}. ${remedy}`);
  }
}

/** May pass; tried again. */
class Interrupted extends Error {
  /** As the hub asked for. */
  readonly pauseMs: number | null;

  constructor(message: string, pauseMs: number | null = null) {
    super(message);
    this.pauseMs = pauseMs;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
