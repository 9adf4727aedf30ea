// Calls whose parameters stand between marks, one after the other: `<parameter=city>Oslo</parameter>`. Formats differ in their marks.
import { alternatives, type Expression, literal, NOTHING, optional, sequence } from '../constraint/expression.ts';
import { textParametersOf } from '../conversation/text-parameters.ts';
import type { AnswerSink, CallableTool, CallFormat, ReadingContext } from './answer-format.ts';
import { bareValue, collectUntil, readBareValue } from './bare-value.ts';
import { textBefore } from './text-before.ts';
import type { Routine, TextReader } from './text-reader.ts';

export interface ParameterMarks {
  /** Around all calls, or around each. */
  readonly open: string;
  readonly close: string;
  /** Whether one pair of these marks holds all calls. */
  readonly holdsAll: boolean;
  /** Around a tool's name; what follows are its parameters, up to `callClose`. */
  readonly nameOpen: string;
  readonly nameClose: string;
  readonly callClose: string;
  /** Around a parameter's name, and behind its value. */
  readonly keyOpen: string;
  readonly keyClose: string;
  readonly valueClose: string;
  /** Whether values stand on lines of their own. */
  readonly valuesOnLines: boolean;
}

/** A format of these marks. */
export function markedParameters(marks: ParameterMarks): CallFormat {
  const { open, close, holdsAll } = marks;
  return {
    opens: [open],
    marks: Object.values(marks).filter((mark) => typeof mark === 'string'),
    argumentsAs: 'object',
    writesBareText: true,
    call: (tools, mark) => {
      const call = alternatives(...tools.map((tool) => callOf(tool, marks, mark)));
      const opened = sequence(mark(open), literal('\n'));
      const closed = sequence(literal('\n'), mark(close));
      return holdsAll
        ? { before: opened, call, between: literal('\n'), after: closed }
        : { before: NOTHING, call: sequence(opened, call, closed), between: literal('\n'), after: NOTHING };
    },
    *read(input, out, context) {
      for (;;) {
        const mark = yield* input.until([open], out.text);
        if (mark === null) return;
        yield* readCalls(input, out, context, marks);
      }
    },
  };
}

/** Everything between `open` and `close`. */
function* readCalls(input: TextReader, out: AnswerSink, context: ReadingContext, marks: ParameterMarks): Routine {
  input.record();
  yield* input.skipSpace();
  if (!(yield* readCall(input, out, context, marks))) {
    out.text(`${marks.open}${input.recorded()}`);
    return;
  }
  yield* input.skipSpace();
  while (marks.holdsAll && (yield* readCall(input, out, context, marks))) yield* input.skipSpace();
  yield* input.accept(marks.close);
  input.recorded();
}

function* readCall(
  input: TextReader,
  out: AnswerSink,
  context: ReadingContext,
  marks: ParameterMarks,
): Routine<boolean> {
  if (!(yield* input.accept(marks.nameOpen))) return false;
  const name = yield* collectUntil(input, marks.nameClose);
  if (name === '' || name.includes('<')) return false;
  out.beginCall(name);
  const textParameters = context.textParametersOf(name);
  out.callArguments('{');
  let separator = '';
  for (;;) {
    yield* input.skipSpace();
    if (!(yield* input.accept(marks.keyOpen))) break;
    const key = yield* collectUntil(input, marks.keyClose);
    out.callArguments(`${separator}${JSON.stringify(key)}: `);
    separator = ', ';
    yield* readBareValue(input, out, marks.valueClose, textParameters.includes(key));
  }
  out.callArguments('}');
  out.endCall();
  yield* input.accept(marks.callClose);
  return true;
}

function callOf(tool: CallableTool, marks: ParameterMarks, mark: (text: string) => Expression): Expression {
  const { name, parameters } = tool;
  const required = Array.isArray(parameters['required']) ? parameters['required'] : [];
  const properties = Object.entries((parameters['properties'] ?? {}) as object);
  const texts = textParametersOf(parameters);
  const line = literal('\n');
  const parts = properties.map(([key, schema]) => {
    const value = bareValue(schema, texts.includes(key), textBefore([marks.valueClose], mark));
    const edge = marks.valuesOnLines ? line : NOTHING;
    const written = sequence(
      literal(`${marks.keyOpen}${key}${marks.keyClose}`),
      edge,
      value,
      edge,
      mark(marks.valueClose),
      line,
    );
    return required.includes(key) ? written : optional(written);
  });
  return sequence(literal(`${marks.nameOpen}${name}${marks.nameClose}`), line, ...parts, mark(marks.callClose));
}
