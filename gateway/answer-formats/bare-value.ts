// Values between marks, without quotes: text as it is, everything else as JSON. In: the text up to the closing mark. Out: JSON text.
import { alternatives, type Expression, literal } from '../constraint/expression.ts';
import { jsonSchemaIfPossible, jsonValue } from '../constraint/schema/json-schema.ts';
import type { JsonObject } from '../conversation/conversation.ts';
import type { AnswerSink } from './answer-format.ts';
import type { Routine, TextReader } from './text-reader.ts';

/** What some models write, who learnt from Python. */
const PYTHON_WORDS: ReadonlyMap<string, string> = new Map([
  ['True', 'true'],
  ['False', 'false'],
  ['None', 'null'],
]);

/**
 * Reads a value up to `close`, which is taken, and writes it as JSON: text as it comes, with a line break at each end left out; other
 * values when they are whole, as text if they are not JSON.
 */
export function* readBareValue(input: TextReader, out: AnswerSink, close: string, isText: boolean): Routine {
  yield* input.accept('\n');
  if (!isText) {
    const value = yield* collectUntil(input, close);
    out.callArguments(jsonOf(value.trim()));
    return;
  }
  out.callArguments('"');
  let held = '';
  yield* input.until([close], (text) => {
    const all = held + text;
    held = all.endsWith('\n') ? '\n' : '';
    out.callArguments(escaped(held === '' ? all : all.slice(0, -1)));
  });
  out.callArguments('"');
}

/** The text before a mark, which is taken. */
export function* collectUntil(input: TextReader, ...marks: readonly string[]): Routine<string> {
  let text = '';
  yield* input.until(marks, (piece) => {
    text += piece;
  });
  return text;
}

function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

function jsonOf(text: string): string {
  try {
    JSON.parse(text);
    return text;
  } catch {
    return PYTHON_WORDS.get(text) ?? JSON.stringify(text);
  }
}

/** What a value must look like: text of an enumeration literally, other text freely up to the mark, everything else as JSON. */
export function bareValue(schema: unknown, isText: boolean, freely: Expression): Expression {
  if (!isText) return jsonSchemaIfPossible(schema, '', jsonValue);
  const values = (schema as JsonObject)['enum'];
  const texts = Array.isArray(values) ? values.filter((value): value is string => typeof value === 'string') : [];
  return texts.length > 0 ? alternatives(...texts.map(literal)) : freely;
}
