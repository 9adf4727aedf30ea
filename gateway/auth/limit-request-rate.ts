// Requests per minute and tenant, counted in Redis across all gateways. While Redis is away each gateway counts by itself.
import type { Redis } from 'ioredis';
import { RateLimiterMemory, RateLimiterRedis, type RateLimiterRes } from 'rate-limiter-flexible';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { keyOf } from '../../infra/redis/keys.ts';

const WINDOW_SECONDS = 60;

/** Counts one request; returns OpenAI's rate limit headers. @throws DomainError `rate_limit_exceeded`. */
export type RequestRateLimit = (tenant: string, perMinute: number) => Promise<Record<string, string>>;

/** A limit of 0 means none. */
export function createRequestRateLimit(redis: Redis): RequestRateLimit {
  const limiters = new Map<number, RateLimiterRedis>();
  return async (tenant, perMinute) => {
    if (perMinute === 0) return {};
    const limiter = limiters.get(perMinute) ?? createLimiter(redis, perMinute);
    limiters.set(perMinute, limiter);
    const result = await limiter.consume(tenant).catch((error: unknown) => refuse(error));
    return rateHeaders(perMinute, result);
  };
}

/** rate-limiter-flexible fixes the limit per limiter; tenants share few distinct limits. */
function createLimiter(redis: Redis, points: number): RateLimiterRedis {
  const options = { points, duration: WINDOW_SECONDS, keyPrefix: keyOf('rate', String(points)) };
  return new RateLimiterRedis({ ...options, storeClient: redis, insuranceLimiter: new RateLimiterMemory(options) });
}

/** A refusal is thrown as a plain result, a failure as an Error. */
function refuse(thrown: unknown): never {
  if (thrown instanceof Error) throw thrown;
  const waitSeconds = Math.max(1, Math.ceil((thrown as RateLimiterRes).msBeforeNext / 1000));
  const message = `Too many requests: the limit of this tenant is reached; try again in ${waitSeconds} s.`;
  throw new DomainError('rate_limit_exceeded', message, { retryAfterSeconds: waitSeconds });
}

function rateHeaders(perMinute: number, result: RateLimiterRes): Record<string, string> {
  return {
    'x-ratelimit-limit-requests': String(perMinute),
    'x-ratelimit-remaining-requests': String(result.remainingPoints),
    'x-ratelimit-reset-requests': `${Math.ceil(result.msBeforeNext / 1000)}s`,
  };
}
