// The formats by name. Names are stored with requests, so one that was published keeps its meaning.
import type { CallFormat, ReasoningFormat } from './answer-format.ts';
import { glm } from './glm.ts';
import { harmony } from './harmony.ts';
import { hermes } from './hermes.ts';
import { deepseek3, deepseek31, kimi, mistral } from './json-formats.ts';
import { graniteList, mistralList } from './json-list.ts';
import { llamaJson } from './llama-json.ts';
import { minimax, qwenXml } from './parameter-formats.ts';
import { pythonic } from './pythonic.ts';

export const CALL_FORMATS: ReadonlyMap<string, CallFormat> = new Map([
  ['hermes', hermes],
  ['qwen_xml', qwenXml],
  ['glm', glm],
  ['minimax', minimax],
  ['deepseek_v3', deepseek3],
  ['deepseek_v31', deepseek31],
  ['kimi', kimi],
  ['mistral', mistral],
  ['mistral_list', mistralList],
  ['granite_list', graniteList],
  ['harmony', harmony],
  ['llama_json', llamaJson],
  ['pythonic', pythonic],
]);

export const REASONING_FORMATS: ReadonlyMap<string, ReasoningFormat> = new Map([
  ['think', { open: '<think>', close: '</think>' }],
  ['mistral', { open: '[THINK]', close: '[/THINK]' }],
]);
