// Measures a stream while it passes: time to the first token, time between tokens, tokens by tenant, outcome. Sees counts and
// times only. Tokens that come together share the time since those before.
import type { TerminalEvent } from '../../infra/messages/token-event.ts';
import type { GatewayParts } from '../parts.ts';
import type { StreamEntry } from './follow-streams.ts';

export interface WatchedGeneration {
  readonly id: string;
  readonly tenant: string;
  readonly model: string;
  /** Unix time in ms. */
  readonly acceptedAtMs: number;
}

/** To be called with every entry as it arrives. */
export function watchProgress(parts: GatewayParts, generation: WatchedGeneration): (entry: StreamEntry) => void {
  const { metrics, clock } = parts;
  const { model, acceptedAtMs } = generation;
  let lastAtMs: number | undefined;
  let tokens = 0;
  const measure = () => {
    const nowMs = clock();
    if (lastAtMs === undefined) metrics.firstToken(model, (nowMs - acceptedAtMs) / 1000);
    else metrics.interToken(model, (nowMs - lastAtMs) / 1000 / tokens);
    lastAtMs = nowMs;
    tokens = 0;
  };
  return ({ event, more }) => {
    if (event.type === 'tokens') tokens += event.ids.length;
    if (tokens > 0 && (event.type === 'end' || !more)) measure();
    if (event.type === 'end') reportEnd(parts, generation, event);
  };
}

function reportEnd(parts: GatewayParts, generation: WatchedGeneration, { outcome, usage, error }: TerminalEvent): void {
  const { id, tenant, model, acceptedAtMs } = generation;
  parts.metrics.tokens('prompt', tenant, model, usage.promptTokens);
  parts.metrics.tokens('cached', tenant, model, usage.cachedTokens);
  parts.metrics.tokens('completion', tenant, model, usage.completionTokens);
  if (error !== null) parts.metrics.error('generation', error.code);
  const durationMs = parts.clock() - acceptedAtMs;
  parts.log.info({ id, tenant, model, outcome, code: error?.code, ...usage, durationMs }, 'generation ended');
}
