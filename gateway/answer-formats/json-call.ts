// Calls written as a JSON object, `{"name": "get_weather", "arguments": {"city": "Oslo"}}`, as most families do. The call begins when
// its name is known, and its arguments are passed on as they come.
import { type Expression, literal, sequence } from '../constraint/expression.ts';
import type { AnswerSink, CallableTool } from './answer-format.ts';
import { type JsonEnd, scanJsonValue } from './scan-json.ts';
import type { Routine, TextReader } from './text-reader.ts';

/** What a call must look like, in the spacing of json.dumps. */
export function jsonCall({ name, arguments: json }: CallableTool, key: 'arguments' | 'parameters'): Expression {
  return sequence(literal(`{"name": ${JSON.stringify(name)}, "${key}": `), json, literal('}'));
}

const ARGUMENTS: ReadonlySet<string> = new Set(['arguments', 'parameters']);

/** The value of a member that was read whole; null if it was cut off or broken. */
function* wholeValue(input: TextReader): Routine<string | null> {
  let value = '';
  const end: JsonEnd = { broken: false };
  const complete = yield* input.scan(scanJsonValue(end), (text) => {
    value += text;
  });
  return complete && !end.broken && value !== '' ? value : null;
}

/** A JSON string that was read whole; null for anything else. */
export function* stringValue(input: TextReader): Routine<string | null> {
  if ((yield* input.peek()) !== '"') return null;
  return parseString(yield* wholeValue(input));
}

function parseString(json: string | null): string | null {
  try {
    const value: unknown = JSON.parse(json ?? 'null');
    return typeof value === 'string' ? value : null;
  } catch {
    return null;
  }
}

/**
 * Reads a call from its `{` on. False when the text is not a call after all: nothing was reported then. A call that breaks off behind
 * its name has ended there, and what follows is left in `input`.
 */
export function* readJsonCall(input: TextReader, out: AnswerSink): Routine<boolean> {
  if (!(yield* input.accept('{'))) return false;
  const call = new JsonCall(out);
  for (;;) {
    yield* input.skipSpace();
    const key = yield* stringValue(input);
    if (key === null) return call.end();
    yield* input.skipSpace();
    if (!(yield* input.accept(':'))) return call.end();
    yield* input.skipSpace();
    if (!(yield* call.member(key, input))) return call.end();
    yield* input.skipSpace();
    if (yield* input.accept(',')) continue;
    yield* input.accept('}');
    return call.end();
  }
}

/** Takes the mark behind a call, if it is there. */
export function* closeCall(input: TextReader, close: string): Routine {
  yield* input.skipSpace();
  yield* input.accept(close);
}

/** Streams a value as the arguments of a call that has begun; a string is the JSON text of them. */
export function* streamArguments(input: TextReader, out: AnswerSink): Routine<boolean> {
  if ((yield* input.peek()) === '"') {
    const json = yield* stringValue(input);
    if (json !== null) out.callArguments(json);
    return json !== null;
  }
  if (yield* input.accept('null')) {
    out.callArguments('{}');
    return true;
  }
  const end: JsonEnd = { broken: false };
  const complete = yield* input.scan(scanJsonValue(end), out.callArguments);
  return complete && !end.broken;
}

class JsonCall {
  readonly #out: AnswerSink;
  #begun = false;
  /** Arguments that came before the name. */
  #early: string | null = null;
  #hasArguments = false;

  constructor(out: AnswerSink) {
    this.#out = out;
  }

  /** Takes one member. False when it is broken. */
  *member(key: string, input: TextReader): Routine<boolean> {
    if (key === 'name' && !this.#begun) return this.#begin(yield* stringValue(input));
    if (ARGUMENTS.has(key) && this.#begun && !this.#hasArguments) {
      this.#hasArguments = true;
      return yield* streamArguments(input, this.#out);
    }
    const value = yield* wholeValue(input);
    if (ARGUMENTS.has(key)) this.#early ??= value;
    return value !== null;
  }

  /** True if there was a call. */
  end(): boolean {
    if (!this.#begun) return false;
    if (!this.#hasArguments) this.#out.callArguments(earlyArguments(this.#early));
    this.#out.endCall();
    return true;
  }

  #begin(name: string | null): boolean {
    if (name === null || name === '') return false;
    this.#out.beginCall(name);
    this.#begun = true;
    return true;
  }
}

function earlyArguments(json: string | null): string {
  return parseString(json) ?? (json === null || json === 'null' ? '{}' : json);
}
