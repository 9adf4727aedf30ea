// `[get_weather(city="Oslo", days=3), get_time()]`: calls as a list of Python. LFM2 puts marks around it. Values are Python's literals.
import { alternatives, type Expression, literal, optional, repeat, sequence } from '../constraint/expression.ts';
import { jsonSchemaIfPossible, jsonValue } from '../constraint/schema/json-schema.ts';
import type { AnswerSink, CallableTool, CallFormat } from './answer-format.ts';
import { collectUntil } from './bare-value.ts';
import { readPythonValue } from './python-value.ts';
import type { Routine, TextReader } from './text-reader.ts';

const OPEN = '<|tool_call_start|>';
const CLOSE = '<|tool_call_end|>';

/** LFM2. */
export const pythonic: CallFormat = {
  opens: [OPEN],
  marks: [CLOSE],
  argumentsAs: 'object',
  writesBareText: false,
  call: (tools, mark) => ({
    before: sequence(mark(OPEN), literal('[')),
    call: alternatives(...tools.map(callOf)),
    between: literal(', '),
    after: sequence(literal(']'), mark(CLOSE)),
  }),
  *read(input, out) {
    for (;;) {
      if ((yield* input.until([OPEN], out.text)) === null) return;
      input.record();
      const isCall = yield* readCalls(input, out);
      const taken = input.recorded();
      if (!isCall) out.text(`${OPEN}${taken}`);
      else yield* input.accept(CLOSE);
    }
  },
};

function* readCalls(input: TextReader, out: AnswerSink): Routine<boolean> {
  yield* input.skipSpace();
  if (!(yield* input.accept('['))) return false;
  let calls = 0;
  do {
    yield* input.skipSpace();
    const name = (yield* collectUntil(input, '(')).trim();
    if (!/^[\w.-]+$/u.test(name)) return calls > 0;
    out.beginCall(name);
    calls += 1;
    const isWhole = yield* readArguments(input, out);
    out.endCall();
    if (!isWhole) return true;
    yield* input.skipSpace();
  } while (yield* input.accept(','));
  yield* input.accept(']');
  return true;
}

function* readArguments(input: TextReader, out: AnswerSink): Routine<boolean> {
  out.callArguments('{');
  let separator = '';
  for (;;) {
    yield* input.skipSpace();
    if (yield* input.accept(')')) break;
    const key = (yield* collectUntil(input, '=')).trim();
    yield* input.skipSpace();
    const value = yield* readPythonValue(input);
    if (key === '' || value === null) {
      out.callArguments('}');
      return false;
    }
    out.callArguments(`${separator}${JSON.stringify(key)}: ${value}`);
    separator = ', ';
    yield* input.skipSpace();
    yield* input.accept(',');
  }
  out.callArguments('}');
  return true;
}

/** JSON's strings, numbers and lists are Python's, too. Of its words, Python's are allowed where a value is nothing else. */
function callOf({ name, parameters }: CallableTool): Expression {
  const required = Array.isArray(parameters['required']) ? parameters['required'] : [];
  const properties = Object.entries((parameters['properties'] ?? {}) as object);
  const written = (key: string, schema: unknown) => sequence(literal(`${key}=`), argumentOf(schema));
  const needed = properties.filter(([key]) => required.includes(key)).map(([key, schema]) => written(key, schema));
  const others = properties.filter(([key]) => !required.includes(key)).map(([key, schema]) => written(key, schema));
  const first = needed.flatMap((each, at) => (at === 0 ? [each] : [literal(', '), each]));
  if (needed.length > 0) {
    const rest = others.map((each) => optional(sequence(literal(', '), each)));
    return sequence(literal(`${name}(`), ...first, ...rest, literal(')'));
  }
  const any = alternatives(...others);
  const list = optional(sequence(any, repeat(sequence(literal(', '), any), 0, Math.max(0, others.length - 1))));
  return sequence(literal(`${name}(`), others.length === 0 ? sequence() : list, literal(')'));
}

function argumentOf(schema: unknown): Expression {
  const json = jsonSchemaIfPossible(schema, '', jsonValue);
  const isBoolean = typeof schema === 'object' && schema !== null && Reflect.get(schema, 'type') === 'boolean';
  return isBoolean ? alternatives(json, literal('True'), literal('False')) : json;
}
