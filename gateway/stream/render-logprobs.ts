// Log-probabilities from ids to OpenAI's two shapes. A token may be a fragment of a character: the chat shape carries its
// bytes, the text shape writes such a token as `bytes:\xe2\x98`.
import type { TokenLogprob } from '../../infra/messages/token-event.ts';

type TokenBytes = (id: number) => Uint8Array;

/** JSON has no infinities; OpenAI's floor for "never". */
const LOWEST = -9999;

const lenient = new TextDecoder('utf-8', { ignoreBOM: true });
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The `logprobs` object of a chat choice. */
export function chatLogprobs(logprobs: readonly TokenLogprob[], tokenBytes: TokenBytes) {
  const describe = (id: number, logprob: number) => {
    const bytes = tokenBytes(id);
    return { token: lenient.decode(bytes), logprob: Math.max(logprob, LOWEST), bytes: [...bytes] };
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
  readonly token_logprobs: number[];
  readonly top_logprobs: Record<string, number>[];
  /** Where each token starts in the text of the choice, in UTF-16 units. */
  readonly text_offset: number[];
}

/** As the text shape; `offset` is where the first token starts. */
export function textLogprobs(logprobs: readonly TokenLogprob[], tokenBytes: TokenBytes, offset: number): TextLogprobs {
  const shape: TextLogprobs = { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
  let at = offset;
  for (const { id, logprob, top } of logprobs) {
    shape.tokens.push(tokenName(tokenBytes(id)));
    shape.token_logprobs.push(Math.max(logprob, LOWEST));
    shape.top_logprobs.push(
      Object.fromEntries(top.map(([other, chance]) => [tokenName(tokenBytes(other)), Math.max(chance, LOWEST)])),
    );
    shape.text_offset.push(at);
    at += lenient.decode(tokenBytes(id)).length;
  }
  return shape;
}

/** How far some tokens move the offset of the next one. */
export function textLength(logprobs: readonly TokenLogprob[], tokenBytes: TokenBytes): number {
  return logprobs.reduce((sum, { id }) => sum + lenient.decode(tokenBytes(id)).length, 0);
}

function tokenName(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    // A fragment of a character: OpenAI's notation keeps such tokens apart.
    return `bytes:${[...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`;
  }
}
