/** durable: requests, queues, tokens, tenants, plans (REDIS_URL). exchange: steps and frames only (EXCHANGE_URL). */
export type RedisRole = 'durable' | 'exchange';
