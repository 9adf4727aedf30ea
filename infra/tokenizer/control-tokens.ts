// Which added tokens are the model's own signals: those a client's text must not produce.
import type { AddedToken } from './tokenizer.ts';

/**
 * Names of the control tokens: every special token, and those that a chat template names, because some models mark the
 * borders of turns with tokens that are not declared special. Added tokens for plain text (line breaks, HTML tags) are none.
 */
export function controlTokens(added: readonly AddedToken[], templates: Iterable<string>): string[] {
  const sources = [...templates];
  return added
    .filter((token) => token.special || sources.some((source) => source.includes(token.text)))
    .map((token) => token.text);
}
