// The formats by name. Names are stored with requests, so one that was published keeps its meaning.
import type { CallFormat, ReasoningFormat } from './answer-format.ts';
import { hermes } from './hermes.ts';

export const CALL_FORMATS: ReadonlyMap<string, CallFormat> = new Map([['hermes', hermes]]);

export const REASONING_FORMATS: ReadonlyMap<string, ReasoningFormat> = new Map([
  ['think', { open: '<think>', close: '</think>' }],
]);
