// `<tool_call>{"name": ..., "arguments": ...}</tool_call>`, one after the other: Hermes, Qwen 2.5 and 3, Granite, and our demo model.
import type { CallFormat } from './answer-format.ts';
import { closeCall, readJsonCall } from './json-call.ts';

const OPEN = '<tool_call>';
const CLOSE = '</tool_call>';

export const hermes: CallFormat = {
  opens: [OPEN],
  marks: [CLOSE],
  argumentsAs: 'object',
  writesBareText: false,
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
