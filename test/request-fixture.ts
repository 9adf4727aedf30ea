// A request as the gateway would have stored it.
import { type GenerationRequest, GREEDY } from '../infra/messages/generation-request.ts';

/** Three prompt tokens, ten to generate, greedily. */
export function requestFixture(changes: Partial<GenerationRequest> = {}): GenerationRequest {
  return {
    id: 'req',
    model: 'demo',
    tenant: 'acme',
    prompts: [[7, 8, 9]],
    maxTokens: 10,
    echo: false,
    choices: 1,
    sampling: GREEDY,
    constraint: null,
    stop: [],
    stopTokens: [],
    createdAtMs: 0,
    resumeSeconds: 0,
    traceparent: '',
    ...changes,
  };
}
