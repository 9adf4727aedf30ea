// Spans of generations in a worker, continuing the trace that came with the request: one span from dispatch to the end, one
// event for each step that gave it a token. Without a registered OpenTelemetry SDK all of this does nothing.
import { context, propagation, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { countPromptTokens } from '../../infra/messages/generation-request.ts';
import type { FinishReason } from '../../infra/queue/finish-generation.ts';
import type { Generation } from '../generation/generation.ts';
import type { GroupObserver, ObservedStep } from './generation-group.ts';

export class GenerationTraces implements GroupObserver {
  readonly #spans = new Map<Generation, Span>();

  started(generation: Generation, attempt: number): void {
    const { id, model, tenant, traceparent } = generation.request;
    const parent = propagation.extract(context.active(), { traceparent });
    const attributes = { id, model, tenant, attempt, promptTokens: countPromptTokens(generation.request) };
    const span = trace.getTracer('conclave').startSpan('generation', { kind: SpanKind.CONSUMER, attributes }, parent);
    this.#spans.set(generation, span);
  }

  stepped({ generations, rows, milliseconds }: ObservedStep): void {
    for (const generation of generations) this.#spans.get(generation)?.addEvent('step', { rows, milliseconds });
  }

  ended(generation: Generation, { outcome, error }: FinishReason): void {
    const span = this.#spans.get(generation);
    this.#spans.delete(generation);
    if (error !== null) span?.setStatus({ code: SpanStatusCode.ERROR, message: error.code });
    span?.setAttributes({ outcome, completionTokens: generation.completionTokens }).end();
  }

  abandoned(generation: Generation): void {
    this.#spans.get(generation)?.end();
    this.#spans.delete(generation);
  }
}
