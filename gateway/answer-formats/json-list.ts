// `[TOOL_CALLS][{"name": ..., "arguments": ...}, ...]`: a mark and a list of calls as JSON, as older Mistral and Granite 3 write them.
import { alternatives, literal, sequence } from '../constraint/expression.ts';
import type { CallFormat } from './answer-format.ts';
import { jsonCall, readJsonCall } from './json-call.ts';
import { shortCallId } from './short-call-id.ts';

/** A format with this mark. */
function jsonList(open: string, more: Pick<CallFormat, 'templateCallId'> = {}): CallFormat {
  return {
    ...more,
    opens: [open],
    marks: [],
    argumentsAs: 'object',
    writesBareText: false,
    call: (tools, mark) => ({
      before: sequence(mark(open), literal('[')),
      call: alternatives(...tools.map((tool) => jsonCall(tool, 'arguments'))),
      between: literal(', '),
      after: literal(']'),
    }),
    *read(input, out) {
      for (;;) {
        if ((yield* input.until([open], out.text)) === null) return;
        input.record();
        yield* input.skipSpace();
        yield* input.accept('[');
        let calls = 0;
        do {
          yield* input.skipSpace();
          if (!(yield* readJsonCall(input, out))) break;
          calls += 1;
          yield* input.skipSpace();
        } while (yield* input.accept(','));
        const taken = input.recorded();
        if (calls === 0) out.text(`${open}${taken}`);
        else yield* input.accept(']');
      }
    },
  };
}

export const mistralList = jsonList('[TOOL_CALLS]', { templateCallId: ({ id }) => shortCallId(id) });
export const graniteList = jsonList('<|tool_call|>');
