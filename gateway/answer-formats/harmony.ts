// Harmony, gpt-oss: an answer is a list of messages, each with a channel: `analysis` is reasoning, `final` is content, a message with a
// recipient is a call. The prompt ends behind `<|start|>assistant`. A call ends the answer: `<|call|>` is one of the model's end tokens.
import { alternatives, literal, NOTHING, optional, sequence } from '../constraint/expression.ts';
import type { AnswerSink, CallFormat } from './answer-format.ts';
import { collectUntil } from './bare-value.ts';
import { streamArguments } from './json-call.ts';
import type { Routine, TextReader } from './text-reader.ts';

const CHANNEL = '<|channel|>';
const CONSTRAIN = '<|constrain|>';
const MESSAGE = '<|message|>';
const START = '<|start|>';
const END = '<|end|>';
/** The space before it belongs to it, and no content contains it. */
const RECIPIENT = ' to=functions.';

export const harmony: CallFormat = {
  opens: [RECIPIENT],
  marks: [CHANNEL, CONSTRAIN, MESSAGE, START, END],
  framesAnswer: true,
  argumentsAs: 'object',
  writesBareText: false,
  call: (tools, mark) => ({
    before: NOTHING,
    call: alternatives(
      ...tools.map(({ name, arguments: json }) => {
        const type = optional(sequence(literal(' '), mark(CONSTRAIN), literal('json')));
        return sequence(literal(`${RECIPIENT}${name}`), type, mark(MESSAGE), json);
      }),
    ),
    // Another one would be another message; the model ends its answer to wait for the result.
    between: alternatives(),
    after: NOTHING,
  }),
  *read(input, out) {
    for (;;) {
      const mark = yield* input.until([CHANNEL, START, RECIPIENT], out.text);
      if (mark === null) return;
      const header = yield* collectUntil(input, MESSAGE);
      yield* readMessage(input, out, `${mark}${header}`);
    }
  },
};

function* readMessage(input: TextReader, out: AnswerSink, header: string): Routine {
  const tool = / to=(?:functions\.)?([\w.-]+)/u.exec(header)?.[1];
  if (tool !== undefined) {
    out.beginCall(tool);
    yield* input.skipSpace();
    yield* streamArguments(input, out);
    out.endCall();
    yield* input.until([END, START], () => {});
    return;
  }
  if (!header.includes(`${CHANNEL}analysis`)) {
    yield* input.until([END], out.text);
    return;
  }
  yield* input.until([END], out.reasoning);
  out.endReasoning();
}
