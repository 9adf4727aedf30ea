// Which added tokens are the model's own signals: those a client's text must not produce.
import type { AddedToken } from './tokenizer.ts';

/**
 * Names of the control tokens: every special token, and those that a chat template names, because some models mark the
 * borders of turns with tokens that are not declared special. Added tokens for plain text do not count: a token in a template
 * counts only if it is spelt as markup (`<think>`), not as white space or a word.
 */
export function controlTokens(added: readonly AddedToken[], templates: Iterable<string>): string[] {
  const sources = [...templates];
  const isNamed = (text: string) => /[^\w\s]/u.test(text) && sources.some((source) => source.includes(text));
  return added.filter((token) => token.special || isNamed(token.text)).map((token) => token.text);
}
