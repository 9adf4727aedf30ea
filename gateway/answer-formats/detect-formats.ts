// Which formats a model's answers have, by what its chat template writes. Pure. Checkpoints of one family differ (Qwen3 writes JSON,
// Qwen3-Coder XML), so the template counts, not the family.
import type { AddedToken } from '../../infra/tokenizer/tokenizer.ts';
import type { AnswerTraits } from '../parts.ts';
import { CALL_FORMATS, REASONING_FORMATS } from './formats.ts';

/** Words that only templates of the format contain, all of them; the first sign that applies counts. */
type Sign = readonly [words: string, format: string];

const CALL_SIGNS: readonly Sign[] = [
  ['<|channel|>', 'harmony'],
  ['<minimax:tool_call>', 'minimax'],
  ['<|tool_calls_section_begin|>', 'kimi'],
  ['<｜tool▁sep｜> ```json', 'deepseek_v3'],
  ['<｜tool▁sep｜>', 'deepseek_v31'],
  ['[ARGS]', 'mistral'],
  ['[TOOL_CALLS]', 'mistral_list'],
  ['<|tool_call_start|>', 'pythonic'],
  ['<arg_key>', 'glm'],
  ['<function=', 'qwen_xml'],
  ['<tool_call>', 'hermes'],
  ['<|tool_call|>', 'granite_list'],
  ['<|python_tag|>', 'llama_json'],
  ['"parameters":', 'llama_json'],
];

const REASONING_SIGNS: readonly Sign[] = [
  ['</think>', 'think'],
  ['[/THINK]', 'mistral'],
];

/** `added`: the tokenizer's added tokens. */
export function detectFormats(templates: Iterable<string>, added: readonly AddedToken[]): AnswerTraits {
  const all = [...templates].join('\n');
  const calls = firstSign(all, CALL_SIGNS);
  const reasoning = firstSign(all, REASONING_SIGNS);
  const marks = new Set([...marksOfCalls(calls), ...marksOfReasoning(reasoning)]);
  return {
    calls,
    reasoning,
    specialMarks: added.filter(({ text, special }) => special && marks.has(text)).map(({ id, text }) => ({ id, text })),
    takesTools: /\btools\b/u.test(all),
  };
}

function firstSign(template: string, signs: readonly Sign[]): string | null {
  return signs.find(([words]) => words.split(' ').every((word) => template.includes(word)))?.[1] ?? null;
}

function marksOfCalls(name: string | null): readonly string[] {
  const format = name === null ? undefined : CALL_FORMATS.get(name);
  return format === undefined ? [] : [...format.opens, ...format.marks];
}

function marksOfReasoning(name: string | null): readonly string[] {
  const format = name === null ? undefined : REASONING_FORMATS.get(name);
  return format === undefined ? [] : [format.open, format.close];
}
