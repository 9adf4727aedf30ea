// Which formats a model's answers have, by what its chat template writes. Pure. Checkpoints of one family differ (Qwen3 writes JSON,
// Qwen3-Coder XML), so the template counts, not the family.
import type { AddedToken } from '../../infra/tokenizer/tokenizer.ts';
import type { AnswerTraits } from '../parts.ts';
import { CALL_FORMATS, REASONING_FORMATS } from './formats.ts';

/** What only templates of the format contain; the first that applies counts. */
const CALL_SIGNS: readonly (readonly [sign: string, format: string])[] = [['<tool_call>', 'hermes']];

const REASONING_SIGNS: readonly (readonly [sign: string, format: string])[] = [['</think>', 'think']];

/** `added`: the tokenizer's added tokens. */
export function detectFormats(templates: Iterable<string>, added: readonly AddedToken[]): AnswerTraits {
  const all = [...templates].join('\n');
  const calls = firstSign(all, CALL_SIGNS);
  const reasoning = firstSign(all, REASONING_SIGNS);
  const marks = new Set([...marksOfCalls(calls), ...marksOfReasoning(reasoning)]);
  return {
    calls,
    reasoning,
    shownTokens: added.filter(({ text, special }) => special && marks.has(text)).map(({ id }) => id),
    takesTools: /\btools\b/u.test(all),
  };
}

function firstSign(template: string, signs: readonly (readonly [string, string])[]): string | null {
  return signs.find(([sign]) => template.includes(sign))?.[1] ?? null;
}

function marksOfCalls(name: string | null): readonly string[] {
  const format = name === null ? undefined : CALL_FORMATS.get(name);
  return format === undefined ? [] : [...format.opens, ...format.marks];
}

function marksOfReasoning(name: string | null): readonly string[] {
  const format = name === null ? undefined : REASONING_FORMATS.get(name);
  return format === undefined ? [] : [format.open, format.close];
}
