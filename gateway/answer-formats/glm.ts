// `<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n</tool_call>`: GLM 4.5 and later. Newer ones leave out
// the line breaks.
import { alternatives, type Expression, literal, NOTHING, optional, sequence } from '../constraint/expression.ts';
import { textParametersOf } from '../conversation/text-parameters.ts';
import type { AnswerSink, CallableTool, CallFormat, ReadingContext } from './answer-format.ts';
import { bareValue, collectUntil, readBareValue } from './bare-value.ts';
import { textBefore } from './text-before.ts';
import type { Routine, TextReader } from './text-reader.ts';

const OPEN = '<tool_call>';
const CLOSE = '</tool_call>';
const KEY = ['<arg_key>', '</arg_key>'] as const;
const VALUE = ['<arg_value>', '</arg_value>'] as const;

export const glm: CallFormat = {
  opens: [OPEN],
  marks: [CLOSE, ...KEY, ...VALUE],
  argumentsAs: 'object',
  writesBareText: true,
  call: (tools, mark) => ({
    before: NOTHING,
    call: sequence(mark(OPEN), alternatives(...tools.map((tool) => callOf(tool, mark))), mark(CLOSE)),
    between: optional(literal('\n')),
    after: NOTHING,
  }),
  *read(input, out, context) {
    for (;;) {
      const mark = yield* input.until([OPEN], out.text);
      if (mark === null) return;
      input.record();
      const isCall = yield* readCall(input, out, context);
      const taken = input.recorded();
      if (!isCall) out.text(`${OPEN}${taken}`);
    }
  },
};

/** The name reaches to the first parameter, or to the end of the call. */
function* readCall(input: TextReader, out: AnswerSink, context: ReadingContext): Routine<boolean> {
  let name = '';
  const mark = yield* input.until([KEY[0], CLOSE], (text) => {
    name += text;
  });
  name = name.trim();
  if (mark === null || !/^[\w.-]+$/u.test(name)) return false;
  out.beginCall(name);
  out.callArguments('{');
  if (mark === KEY[0]) yield* readArguments(input, out, context.textParametersOf(name));
  out.callArguments('}');
  out.endCall();
  return true;
}

function* readArguments(input: TextReader, out: AnswerSink, textParameters: readonly string[]): Routine {
  let separator = '';
  do {
    const key = (yield* collectUntil(input, KEY[1])).trim();
    yield* input.skipSpace();
    if (!(yield* input.accept(VALUE[0]))) return;
    out.callArguments(`${separator}${JSON.stringify(key)}: `);
    separator = ', ';
    yield* readBareValue(input, out, VALUE[1], textParameters.includes(key));
    yield* input.skipSpace();
  } while (yield* input.accept(KEY[0]));
  yield* input.accept(CLOSE);
}

function callOf({ name, parameters }: CallableTool, mark: (text: string) => Expression): Expression {
  const required = Array.isArray(parameters['required']) ? parameters['required'] : [];
  const texts = textParametersOf(parameters);
  const line = optional(literal('\n'));
  const parts = Object.entries((parameters['properties'] ?? {}) as object).map(([key, schema]) => {
    const value = bareValue(schema, texts.includes(key), textBefore([VALUE[1]], mark));
    const written = sequence(
      mark(KEY[0]),
      literal(key),
      mark(KEY[1]),
      line,
      mark(VALUE[0]),
      value,
      mark(VALUE[1]),
      line,
    );
    return required.includes(key) ? written : optional(written);
  });
  return sequence(literal(name), line, ...parts);
}
