import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { context, propagation, type Span, type TextMapPropagator, type Tracer, trace } from '@opentelemetry/api';
import { Generation } from '../../../workers/generation/generation.ts';
import { GenerationTraces } from '../../../workers/serve/trace-generations.ts';
import { requestFixture } from '../../request-fixture.ts';

const PARENT = Symbol('parent');
const told: unknown[] = [];

// The least that an SDK registers: a propagator that remembers the header, a tracer that writes down what it is told.
const propagator: TextMapPropagator = {
  inject: () => {},
  fields: () => [],
  extract: (from, carrier: { traceparent: string }) => from.setValue(PARENT, carrier.traceparent),
};
const span = {
  addEvent: (name: string, attributes: object) => told.push([name, attributes]),
  setStatus: (status: object) => told.push(['status', status]),
  setAttributes: (attributes: object) => {
    told.push(['attributes', attributes]);
    return span;
  },
  end: () => told.push('end'),
};
const tracer = {
  startSpan: (name: string, _options: object, parent = context.active()) => {
    told.push(['start', name, parent.getValue(PARENT)]);
    return span as unknown as Span;
  },
} as Tracer;

propagation.setGlobalPropagator(propagator);
trace.setGlobalTracerProvider({ getTracer: () => tracer });
after(() => {
  propagation.disable();
  trace.disable();
});

function generation(traceparent: string): Generation {
  return new Generation(requestFixture({ traceparent }), [], silentTokenizer, null);
}

const silentTokenizer = {
  vocabSize: 10,
  addedTokens: [],
  eosIds: [],
  encode: async () => [],
  decode: () => '',
  tokenBytes: () => new Uint8Array(),
  isSilent: () => false,
};

test("a generation's span continues the request's trace and tells of every step that gave it a token", () => {
  const traces = new GenerationTraces();
  const [mine, other] = [generation('00-aa-bb-01'), generation('')];
  traces.started(mine, 1);
  traces.stepped({ rows: 3, tokens: 1, guessed: 0, accepted: 0, milliseconds: 5, generations: new Set([mine]) });
  traces.stepped({ rows: 2, tokens: 1, guessed: 0, accepted: 0, milliseconds: 4, generations: new Set([other]) });
  const error = { code: 'generation_failed', message: 'no' } as const;
  traces.ended(mine, { outcome: 'failed', error, cachedTokens: 0 });
  traces.stepped({ rows: 1, tokens: 1, guessed: 0, accepted: 0, milliseconds: 1, generations: new Set([mine]) });
  assert.deepEqual(told.splice(0), [
    ['start', 'generation', '00-aa-bb-01'],
    ['step', { rows: 3, milliseconds: 5 }],
    ['status', { code: 2, message: 'generation_failed' }],
    ['attributes', { outcome: 'failed', completionTokens: 0 }],
    'end',
  ]);
});

test('a generation that another leader continues ends its span here', () => {
  const traces = new GenerationTraces();
  const mine = generation('');
  traces.started(mine, 2);
  traces.abandoned(mine);
  assert.equal(told.at(-1), 'end');
});
