// The bytes that one token of a tokenizer.json stands for in running text. In: the token's name and the decoder's JSON.
// Two spellings exist: byte-level names have one character per byte; SentencePiece names have U+2581 for a space and <0x0A>
// for a byte.

/** From a token's name to its bytes. */
export type NameToBytes = (name: string) => Uint8Array;

/** Chooses the spelling by the `decoder` of tokenizer.json. */
export function nameToBytes(decoder: unknown): NameToBytes {
  return JSON.stringify(decoder ?? null).includes('"ByteLevel"') ? byteLevelBytes : sentencePieceBytes;
}

// GPT-2's table: printable characters of Latin-1 stand for themselves, the other bytes for U+0100 and on.
const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = byteAlphabet();

function byteAlphabet(): Map<string, number> {
  const printable = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  const others = bytes.filter((byte) => !printable(byte));
  return new Map([
    ...bytes.filter(printable).map((byte) => [String.fromCharCode(byte), byte] as const),
    ...others.map((byte, at) => [String.fromCharCode(256 + at), byte] as const),
  ]);
}

function byteLevelBytes(name: string): Uint8Array {
  const bytes = Array.from(name, (character) => BYTE_OF_CHARACTER.get(character));
  return bytes.every((byte) => byte !== undefined) ? Uint8Array.from(bytes) : new TextEncoder().encode(name);
}

function sentencePieceBytes(name: string): Uint8Array {
  const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(name)?.[1];
  if (byte !== undefined) return Uint8Array.of(Number.parseInt(byte, 16));
  return new TextEncoder().encode(name.replaceAll('\u2581', ' '));
}
