// Answer events of one entry -> the `delta` of a chat chunk, as JSON text: content, reasoning, and pieces of calls.
import type { AnswerFinish, ChoiceEvent } from './answer-events.ts';

/** Why a choice ended, in OpenAI's words. */
export type FinishReason = AnswerFinish | 'function_call';

export interface ChatDelta {
  /** '{}' if nothing was added. */
  readonly delta: string;
  /** Null while the choice goes on. */
  readonly finishReason: FinishReason | null;
}

interface CallDelta {
  index: number;
  id?: string;
  type?: 'function';
  function: { name?: string; arguments: string };
}

/** `legacyFunctions`: calls take the form that belongs to `functions`. */
export function createChatDelta(legacyFunctions: boolean): (events: readonly ChoiceEvent[]) => ChatDelta {
  return (events) => {
    const content = joined(events, 'text');
    const reasoning = joined(events, 'reasoning');
    const calls = callDeltas(events);
    const finish = events.find((event) => event.type === 'finish')?.reason ?? null;
    const delta = {
      ...(reasoning !== '' && { reasoning_content: reasoning }),
      ...(content !== '' && { content }),
      ...(calls.length > 0 && (legacyFunctions ? { function_call: firstFunction(calls) } : { tool_calls: calls })),
    };
    return { delta: JSON.stringify(delta), finishReason: finishReasonOf(finish, legacyFunctions) };
  };
}

/** The reason in the words that belong to `tools` or to the older `functions`. */
export function finishReasonOf<Reason extends AnswerFinish | null>(reason: Reason, legacyFunctions: boolean) {
  return reason === 'tool_calls' && legacyFunctions ? 'function_call' : reason;
}

function joined(events: readonly ChoiceEvent[], type: 'text' | 'reasoning'): string {
  let text = '';
  for (const event of events) if (event.type === type) text += event.text;
  return text;
}

/** At most one element for each call. */
function callDeltas(events: readonly ChoiceEvent[]): readonly CallDelta[] {
  const calls = new Map<number, CallDelta>();
  for (const event of events) {
    if (event.type === 'call') {
      const { call: index, id, name } = event;
      calls.set(index, { index, id, type: 'function', function: { name, arguments: '' } });
    } else if (event.type === 'arguments') {
      const delta = calls.get(event.call) ?? { index: event.call, function: { arguments: '' } };
      delta.function.arguments += event.text;
      calls.set(event.call, delta);
    }
  }
  return [...calls.values()];
}

/** The older form has room for one call. */
function firstFunction(calls: readonly CallDelta[]): CallDelta['function'] | undefined {
  return calls.find(({ index }) => index === 0)?.function;
}
