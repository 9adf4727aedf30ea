// Formats that write a name and the JSON of its arguments between marks.
import { alternatives, literal, NOTHING, repeat, sequence } from '../constraint/expression.ts';
import { markedJson } from './marked-json.ts';
import { shortCallId } from './short-call-id.ts';

const identity = (written: string): string => written;
const NO_FRAME = ['', NOTHING] as const;
const DIGIT = alternatives(...Array.from({ length: 10 }, (_, digit) => literal(String(digit))));

/** DeepSeek V3.1: `<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>name<｜tool▁sep｜>{...}<｜tool▁call▁end｜><｜tool▁calls▁end｜>`. */
export const deepseek31 = markedJson({
  section: ['<｜tool▁calls▁begin｜>', '<｜tool▁calls▁end｜>'],
  callOpen: '<｜tool▁call▁begin｜>',
  callClose: '<｜tool▁call▁end｜>',
  separator: '<｜tool▁sep｜>',
  aroundName: NO_FRAME,
  nameIn: identity,
  aroundArguments: ['', ''],
  argumentsAs: 'text',
});

/** DeepSeek V3 and R1: `...<｜tool▁call▁begin｜>function<｜tool▁sep｜>name` and the arguments in a block of code. */
export const deepseek3 = markedJson({
  section: ['<｜tool▁calls▁begin｜>', '<｜tool▁calls▁end｜>'],
  callOpen: '<｜tool▁call▁begin｜>function<｜tool▁sep｜>',
  callClose: '<｜tool▁call▁end｜>',
  separator: '\n```json\n',
  aroundName: NO_FRAME,
  nameIn: identity,
  aroundArguments: ['', '\n```'],
  argumentsAs: 'text',
});

/** Kimi K2: `...<|tool_call_begin|>functions.name:0<|tool_call_argument_begin|>{...}<|tool_call_end|>`. */
export const kimi = markedJson({
  section: ['<|tool_calls_section_begin|>', '<|tool_calls_section_end|>'],
  callOpen: '<|tool_call_begin|>',
  callClose: '<|tool_call_end|>',
  separator: '<|tool_call_argument_begin|>',
  aroundName: ['functions.', sequence(literal(':'), repeat(DIGIT, 1, 3))],
  nameIn: (written) => /^(?:functions\.)?([\w.-]+?)(?::\d+)?$/u.exec(written)?.[1] ?? null,
  aroundArguments: ['', ''],
  argumentsAs: 'text',
  templateCallId: ({ name }, number) => `functions.${name}:${number}`,
});

/** Mistral from version 11 of its tokenizer on: `[TOOL_CALLS]name[ARGS]{...}`. */
export const mistral = markedJson({
  section: null,
  callOpen: '[TOOL_CALLS]',
  callClose: null,
  separator: '[ARGS]',
  aroundName: NO_FRAME,
  nameIn: (written) => written.split('[CALL_ID]')[0]?.trim() ?? null,
  aroundArguments: ['', ''],
  argumentsAs: 'object',
  templateCallId: ({ id }) => shortCallId(id),
});
