// Propagates the W3C trace context of a request through its processing. Without a registered OpenTelemetry SDK the API calls are
// no-ops and the caller's context is passed on unchanged: tracing is off by default.
import { context, propagation, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';

// https://www.w3.org/TR/trace-context/#traceparent-header: version ff and all-zero ids are invalid.
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The header's value when it is a valid traceparent, else ''. */
export function readTraceparent(header: string | undefined): string {
  return header !== undefined && TRACEPARENT.test(header) ? header : '';
}

/**
 * Runs `work` in a span that continues `traceparent`, and hands it the traceparent for the next hop.
 * A rejection marks the span as failed by the error's name; messages may hold what only logs should see.
 */
export async function inSpan<T>(
  name: string,
  traceparent: string,
  work: (traceparent: string) => Promise<T>,
): Promise<T> {
  const parent = propagation.extract(context.active(), { traceparent });
  const span = trace.getTracer('conclave').startSpan(name, { kind: SpanKind.SERVER }, parent);
  const active = trace.setSpan(parent, span);
  try {
    return await context.with(active, () => work(outgoing(active) || traceparent));
  } catch (error) {
    markFailed(span, error);
    throw error;
  } finally {
    span.end();
  }
}

function outgoing(active: ReturnType<typeof context.active>): string {
  const carrier: Record<string, string> = {};
  propagation.inject(active, carrier);
  return carrier['traceparent'] ?? '';
}

function markFailed(span: Span, error: unknown): void {
  span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.name : 'unknown' });
}
