// Rate limit in requests per minute and tenant, counted in Redis across all gateways. While Redis is unreachable, each gateway
// counts on its own.
import type { Redis } from 'ioredis';
import { RateLimiterMemory, RateLimiterRedis, type RateLimiterRes } from 'rate-limiter-flexible';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { keyOf } from '../../infra/redis/keys.ts';

const WINDOW_SECONDS = 60;

/** Where a tenant stands in its window. */
export interface RateState {
  /** OpenAI's rate limit headers; none without a limit. */
  readonly headers: Readonly<Record<string, string>>;
  /** Set when the request is over the limit. */
  readonly refusal: DomainError | null;
}

export interface RequestRateLimit {
  /** Counts one request. */
  count(tenant: string, perMinute: number): Promise<RateState>;
  /** Counts nothing and refuses nothing. */
  read(tenant: string, perMinute: number): Promise<RateState>;
}

const UNLIMITED: RateState = { headers: {}, refusal: null };

/** A limit of 0 means none. */
export function createRequestRateLimit(redis: Redis): RequestRateLimit {
  const limiters = new Map<number, RateLimiterRedis>();
  const limiterOf = (perMinute: number) => {
    const limiter = limiters.get(perMinute) ?? createLimiter(redis, perMinute);
    limiters.set(perMinute, limiter);
    return limiter;
  };
  return {
    count: async (tenant, perMinute) => {
      if (perMinute === 0) return UNLIMITED;
      const state = (result: RateLimiterRes) => rateHeaders(perMinute, result.remainingPoints, result.msBeforeNext);
      return limiterOf(perMinute)
        .consume(tenant)
        .then(
          (result) => ({ headers: state(result), refusal: null }),
          (thrown: unknown) => {
            const result = refusedResult(thrown);
            return { headers: state(result), refusal: tooMany(result) };
          },
        );
    },
    read: async (tenant, perMinute) => {
      if (perMinute === 0) return UNLIMITED;
      const result = await limiterOf(perMinute).get(tenant);
      const remaining = Math.max(0, result?.remainingPoints ?? perMinute);
      return { headers: rateHeaders(perMinute, remaining, result?.msBeforeNext ?? 0), refusal: null };
    },
  };
}

/** rate-limiter-flexible fixes the limit per limiter; tenants share few distinct limits. */
function createLimiter(redis: Redis, points: number): RateLimiterRedis {
  const options = { points, duration: WINDOW_SECONDS, keyPrefix: keyOf('rate', String(points)) };
  return new RateLimiterRedis({ ...options, storeClient: redis, insuranceLimiter: new RateLimiterMemory(options) });
}

/** A refusal is thrown as a plain result, a failure as an Error. */
function refusedResult(thrown: unknown): RateLimiterRes {
  if (thrown instanceof Error) throw thrown;
  return thrown as RateLimiterRes;
}

function tooMany({ msBeforeNext }: RateLimiterRes): DomainError {
  const waitSeconds = Math.max(1, Math.ceil(msBeforeNext / 1000));
  const message = `This tenant has reached its rate limit. Try again in ${waitSeconds} s.`;
  return new DomainError('rate_limit_exceeded', message, { retryAfterSeconds: waitSeconds });
}

function rateHeaders(perMinute: number, remaining: number, msBeforeNext: number): RateState['headers'] {
  return {
    'x-ratelimit-limit-requests': String(perMinute),
    'x-ratelimit-remaining-requests': String(remaining),
    'x-ratelimit-reset-requests': `${Math.ceil(msBeforeNext / 1000)}s`,
  };
}
