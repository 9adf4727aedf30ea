// Calls as a name and the JSON of its arguments between marks: `BEGIN get_weather SEP {"city": "Oslo"} END`. Formats differ in their
// marks and in what stands around the name.
import { alternatives, type Expression, literal, NOTHING, optional, sequence } from '../constraint/expression.ts';
import type { AnswerSink, CallFormat } from './answer-format.ts';
import { collectUntil } from './bare-value.ts';
import { streamArguments } from './json-call.ts';
import type { Routine, TextReader } from './text-reader.ts';

export interface JsonMarks {
  /** Around all calls; null where there are no such marks. */
  readonly section: readonly [open: string, close: string] | null;
  readonly callOpen: string;
  /** Null where a call ends with its arguments. */
  readonly callClose: string | null;
  /** Between a call's name and its arguments. */
  readonly separator: string;
  /** What stands around the name. */
  readonly aroundName: readonly [before: string, after: Expression];
  /** The name in what was written; null if there is none. */
  readonly nameIn: (written: string) => string | null;
  /** Around the arguments. */
  readonly aroundArguments: readonly [before: string, after: string];
  readonly argumentsAs: CallFormat['argumentsAs'];
  readonly templateCallId?: CallFormat['templateCallId'];
}

/** A format of these marks. */
export function markedJson(marks: JsonMarks): CallFormat {
  const { section, callOpen, callClose, separator } = marks;
  const open = section?.[0] ?? callOpen;
  const others = [...(section ?? []), callOpen, separator, ...(callClose === null ? [] : [callClose])];
  return {
    opens: [open],
    marks: others,
    argumentsAs: marks.argumentsAs,
    writesBareText: false,
    ...(marks.templateCallId !== undefined && { templateCallId: marks.templateCallId }),
    call: (tools, mark) => ({
      before: section === null ? NOTHING : mark(section[0]),
      call: callOf(tools, marks, mark),
      between: NOTHING,
      after: section === null ? NOTHING : mark(section[1]),
    }),
    *read(input, out) {
      for (;;) {
        const mark = yield* input.until([open], out.text);
        if (mark === null) return;
        input.record();
        const read = yield* readSection(input, out, marks);
        const taken = input.recorded();
        if (!read) out.text(`${open}${taken}`);
      }
    },
  };
}

function* readSection(input: TextReader, out: AnswerSink, marks: JsonMarks): Routine<boolean> {
  const { section, callOpen } = marks;
  if (section === null) return yield* readCall(input, out, marks);
  let calls = 0;
  for (;;) {
    yield* input.skipSpace();
    if (!(yield* input.accept(callOpen))) break;
    if (!(yield* readCall(input, out, marks))) return calls > 0;
    calls += 1;
  }
  yield* input.accept(section[1]);
  return calls > 0;
}

function* readCall(input: TextReader, out: AnswerSink, marks: JsonMarks): Routine<boolean> {
  const name = marks.nameIn((yield* collectUntil(input, marks.separator)).trim());
  if (name === null || name === '') return false;
  yield* input.skipSpace();
  const [before, after] = marks.aroundArguments;
  if (before !== '' && (yield* input.accept(before.trim()))) yield* input.skipSpace();
  out.beginCall(name);
  if (!(yield* streamArguments(input, out))) {
    out.endCall();
    return true;
  }
  out.endCall();
  yield* input.skipSpace();
  if (after !== '' && (yield* input.accept(after.trim()))) yield* input.skipSpace();
  if (marks.callClose !== null) yield* input.accept(marks.callClose);
  return true;
}

function callOf(
  tools: Parameters<CallFormat['call']>[0],
  marks: JsonMarks,
  mark: (text: string) => Expression,
): Expression {
  const [before, after] = marks.aroundArguments;
  const calls = tools.map((tool) => {
    const [nameBefore, nameAfter] = marks.aroundName;
    return sequence(
      literal(`${nameBefore}${tool.name}`),
      nameAfter,
      mark(marks.separator),
      optional(literal(before)),
      tool.arguments,
      literal(after),
    );
  });
  const close = marks.callClose === null ? NOTHING : mark(marks.callClose);
  return sequence(mark(marks.callOpen), alternatives(...calls), close);
}
