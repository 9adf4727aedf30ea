// TokenEngine for DBRX checkpoints without tokenizer.json: GPT-4's vocabulary (cl100k_base, shipped with tiktoken) and DBRX's
// own special tokens. Control tokens are found first and the text between them is encoded apart, as tiktoken does.
import { readCl100k } from './cl100k.ts';
import { GUARD } from './guard-text.ts';
import type { AddedToken, TokenEngine } from './tokenizer.ts';

/** Ids that DBRX adds to cl100k_base. */
const DBRX_TOKENS = { '<|pad|>': 100277, '<|im_start|>': 100278, '<|im_end|>': 100279 };

/** Builds the engine; reads 1.6 MB of merge ranks. */
export function createDbrxEngine(): TokenEngine {
  const cl100k = readCl100k();
  const idOfName = new Map(Object.entries({ ...cl100k.specialTokens, ...DBRX_TOKENS }));
  const nameOfId = new Map([...idOfName].map(([name, id]) => [id, name]));
  const addedTokens = [...idOfName].map(([text, id]): AddedToken => ({ id, text, special: true }));
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  const tokenBytes = (id: number) => cl100k.bytes(id) ?? Buffer.from(nameOfId.get(id) ?? '');
  return {
    vocabSize: Math.max(...nameOfId.keys()) + 1,
    addedTokens,
    encode: async (text) => encodePieces(text, idOfName, cl100k.encode),
    decode: (ids) => utf8.decode(Buffer.concat(ids.map(tokenBytes))),
    tokenBytes,
    idOf: (token) => idOfName.get(token) ?? null,
    isKnown: (id) => cl100k.bytes(id) !== undefined || nameOfId.has(id),
  };
}

function encodePieces(
  text: string,
  specials: ReadonlyMap<string, number>,
  encodeOrdinary: (text: string) => number[],
): number[] {
  const names = [...specials.keys()].map((name) => name.replaceAll('|', '\\|'));
  const pieces = text.split(new RegExp(`(${names.join('|')})`, 'u'));
  return pieces.flatMap((piece) => {
    const special = specials.get(piece);
    return special === undefined ? encodeOrdinary(piece.replaceAll(GUARD, '')) : [special];
  });
}
