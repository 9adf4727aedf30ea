// Reads an answer in pieces, and joins what belongs together, so that readings of differently cut text can be compared.
import { type AnswerPart, AnswerReader } from '../../../gateway/answer-formats/read-answer.ts';
import type { AnswerReading } from '../../../infra/messages/answer-reading.ts';

export interface ReadAnswer {
  readonly reasoning: string;
  readonly text: string;
  readonly calls: readonly { readonly name: string; readonly arguments: string }[];
}

/** A reading with calls of `calls`, and more. */
export function readingOf(calls: string | null, changes: Partial<AnswerReading> = {}): AnswerReading {
  return { calls, reasoning: null, reasoningOpen: false, textParameters: {}, legacyFunctions: false, ...changes };
}

/** What a reader gives for the pieces. Fails on parts out of order. */
export function readPieces(reading: AnswerReading, pieces: readonly string[]): ReadAnswer {
  const reader = new AnswerReader(reading);
  const parts = [...pieces.flatMap((piece) => reader.push(piece)), ...reader.finish()];
  return join(parts);
}

function join(parts: readonly AnswerPart[]): ReadAnswer {
  const answer = { reasoning: '', text: '', calls: [] as { name: string; arguments: string }[] };
  let open = -1;
  for (const part of parts) {
    if (part.type === 'text' || part.type === 'reasoning') answer[part.type] += part.text;
    else if (part.type === 'call') {
      if (open !== -1 || part.call !== answer.calls.length)
        throw new Error('a call begins inside another, or is misnumbered');
      open = part.call;
      answer.calls.push({ name: part.name, arguments: '' });
    } else if (part.call !== open) throw new Error('a part of a call that is not open');
    else if (part.type === 'call_end') open = -1;
    else (answer.calls[open] as { arguments: string }).arguments += part.text;
  }
  return answer;
}

/** One character at a time: every possible cut at once. */
export function characters(text: string): string[] {
  return Array.from(text);
}
