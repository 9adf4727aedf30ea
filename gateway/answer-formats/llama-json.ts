// `{"name": ..., "parameters": ...}` without marks: Llama 3. Some put `<|python_tag|>` before it.
import { alternatives, literal, NOTHING } from '../constraint/expression.ts';
import type { CallFormat } from './answer-format.ts';
import { closeCall, jsonCall, readJsonCall } from './json-call.ts';

const TAG = '<|python_tag|>';
const OPEN = '{"name": ';

export const llamaJson: CallFormat = {
  opens: [OPEN],
  marks: [TAG],
  argumentsAs: 'object',
  writesBareText: false,
  call: (tools) => ({
    before: NOTHING,
    call: alternatives(...tools.map((tool) => jsonCall(tool, 'parameters'))),
    between: literal('; '),
    after: NOTHING,
  }),
  *read(input, out) {
    for (;;) {
      const mark = yield* input.until([OPEN, TAG], out.text);
      if (mark === null) return;
      if (mark === TAG) continue;
      input.putBack(OPEN);
      input.record();
      const isCall = yield* readJsonCall(input, out);
      const taken = input.recorded();
      if (!isCall) out.text(taken);
      else yield* closeCall(input, ';');
    }
  },
};
