// TokenEngine for DBRX checkpoints without tokenizer.json: GPT-4's vocabulary (cl100k_base, shipped with tiktoken) and DBRX's
// own special tokens. tiktoken knows no guards, so control tokens are found here and the text between them is encoded apart,
// which is what tiktoken does itself.
import { createRequire } from 'node:module';
import { GUARD } from './guard-text.ts';
import type { AddedToken, TokenEngine } from './tokenizer.ts';

/** Ids that DBRX adds to cl100k_base. */
const DBRX_TOKENS = { '<|pad|>': 100277, '<|im_start|>': 100278, '<|im_end|>': 100279 };

/** Ids below are ordinary tokens of cl100k_base; between them and the special ones lies a gap. */
const RANKS = 100256;

/** tiktoken's description of an encoding; its type declaration does not fit ES modules. */
interface Encoding {
  readonly pat_str: string;
  readonly special_tokens: Readonly<Record<string, number>>;
  readonly bpe_ranks: string;
}

/** Builds the engine; reads 1.6 MB of merge ranks. */
export async function createDbrxEngine(): Promise<TokenEngine> {
  const { Tiktoken } = await import('tiktoken/lite');
  const cl100k = createRequire(import.meta.url)('tiktoken/encoders/cl100k_base.json') as Encoding;
  const specials = { ...cl100k.special_tokens, ...DBRX_TOKENS };
  const encoder = new Tiktoken(cl100k.bpe_ranks, specials, cl100k.pat_str);
  const idOfName = new Map(Object.entries(specials));
  const addedTokens = [...idOfName].map(([text, id]): AddedToken => ({ id, text, special: true }));
  const specialIds = new Set(idOfName.values());
  const isKnown = (id: number) => id < RANKS || specialIds.has(id);
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  return {
    vocabSize: Math.max(...specialIds) + 1,
    addedTokens,
    encode: async (text) => encodePieces(text, idOfName, (piece) => encoder.encode_ordinary(piece)),
    decode: (ids) => utf8.decode(encoder.decode(Uint32Array.from(ids))),
    tokenBytes: (id) => (isKnown(id) ? encoder.decode_single_token_bytes(id) : new Uint8Array(0)),
    idOf: (token) => idOfName.get(token) ?? null,
    isKnown,
  };
}

function encodePieces(
  text: string,
  specials: ReadonlyMap<string, number>,
  encodeOrdinary: (text: string) => Uint32Array,
): number[] {
  const names = [...specials.keys()].map((name) => name.replaceAll('|', '\\|'));
  const pieces = text.split(new RegExp(`(${names.join('|')})`, 'u'));
  return pieces.flatMap((piece) => {
    const special = specials.get(piece);
    return special === undefined ? [...encodeOrdinary(piece.replaceAll(GUARD, ''))] : [special];
  });
}
