// `<tool_call>{"name": ..., "arguments": ...}</tool_call>`, one after the other: Hermes, Qwen 2.5 and 3, and our demo model.
import { alternatives, literal, NOTHING, optional, sequence } from '../constraint/expression.ts';
import type { CallFormat } from './answer-format.ts';
import { closeCall, jsonCall, readJsonCall } from './json-call.ts';

const OPEN = '<tool_call>';
const CLOSE = '</tool_call>';

export const hermes: CallFormat = {
  opens: [OPEN],
  marks: [CLOSE],
  argumentsAs: 'object',
  writesBareText: false,
  call: (tools, mark) => {
    const newLine = optional(literal('\n'));
    const call = alternatives(...tools.map((tool) => jsonCall(tool, 'arguments')));
    return {
      before: NOTHING,
      call: sequence(mark(OPEN), newLine, call, newLine, mark(CLOSE)),
      between: newLine,
      after: NOTHING,
    };
  },
  *read(input, out) {
    for (;;) {
      const mark = yield* input.until([OPEN], out.text);
      if (mark === null) return;
      input.record();
      yield* input.skipSpace();
      const isCall = yield* readJsonCall(input, out);
      const taken = input.recorded();
      if (isCall) yield* closeCall(input, CLOSE);
      else out.text(`${OPEN}${taken}`);
    }
  },
};
