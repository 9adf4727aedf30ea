// Log-probabilities from ids to OpenAI's two shapes. A token may be a fragment of a character: the chat shape carries its
// bytes, the text shape writes such a token as `bytes:\xe2\x98`.
import type { PlacedLogprob, TokenLogprob } from '../../infra/messages/token-event.ts';

type TokenBytes = (id: number) => Uint8Array;

/** JSON has no infinities; OpenAI's floor for "never". */
const LOWEST = -9999;

const lenient = new TextDecoder('utf-8', { ignoreBOM: true });
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The `logprobs` object of a chat choice. */
export function chatLogprobs(logprobs: readonly TokenLogprob[], tokenBytes: TokenBytes) {
  const describe = (id: number, logprob: number | null) => {
    const bytes = tokenBytes(id);
    return { token: lenient.decode(bytes), logprob: finiteOf(logprob), bytes: [...bytes] };
  };
  const content = logprobs.map(({ id, logprob, top }) => ({
    ...describe(id, logprob),
    top_logprobs: top.map(([alternative, chance]) => describe(alternative, chance)),
  }));
  return { content, refusal: null };
}

/** The `logprobs` object of a text choice; its arrays run in parallel, one element per token. */
export interface TextLogprobs {
  readonly tokens: string[];
  /** Null for the first token of a prompt. */
  readonly token_logprobs: (number | null)[];
  readonly top_logprobs: (Record<string, number> | null)[];
  /** Where each token starts in the text of the choice, in UTF-16 units. */
  readonly text_offset: number[];
}

/** The `logprobs` object of a text choice. */
export function textLogprobs(logprobs: readonly PlacedLogprob[], tokenBytes: TokenBytes): TextLogprobs {
  const name = (id: number) => tokenName(tokenBytes(id));
  return {
    tokens: logprobs.map(({ id }) => name(id)),
    token_logprobs: logprobs.map(({ logprob }) => (logprob === null ? null : finiteOf(logprob))),
    top_logprobs: logprobs.map((token) => (token.logprob === null ? null : topAndChosen(token, name))),
    text_offset: logprobs.map(({ offset }) => offset),
  };
}

/** The alternatives and the token itself, so up to one more than requested, as in OpenAI's API. */
function topAndChosen({ id, logprob, top }: TokenLogprob, name: (id: number) => string): Record<string, number> {
  const listed = top.some(([other]) => other === id) ? top : [...top, [id, logprob] as const];
  return Object.fromEntries(listed.map(([other, chance]) => [name(other), finiteOf(chance)]));
}

function finiteOf(logprob: number | null): number {
  return Math.max(logprob ?? LOWEST, LOWEST);
}

function tokenName(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    // A fragment of a character: OpenAI's notation keeps such tokens apart.
    return `bytes:${[...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`;
  }
}
