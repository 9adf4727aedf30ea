// Vocabularies of any size for constraints, with the mix of a byte-level BPE: all bytes, words with and without a leading space,
// digits, punctuation that JSON is made of, spaces and new lines, characters of other scripts whole and in halves. Deterministic.
import type { VocabularyTokens } from '../native/token-constraint.ts';

const PUNCTUATION = [
  '{"',
  '"}',
  '":',
  '": ',
  '": "',
  '",',
  '", "',
  '","',
  '"],',
  '"]',
  '[{',
  '[["',
  '}]',
  '}}',
  '},',
  '},{"',
  ']}',
  '[]',
  '{}',
  ' "',
  ' {',
  ' [',
  '.",',
  '"\n',
  ',\n',
  '{\n',
  '\\n',
  '\\"',
  '\\u',
  ' :',
  ' ,',
  '()',
  ');',
  '=>',
  '</',
  '/>',
  '."',
  '?"',
  '!"',
  '\\\\',
  '""',
  '"""',
  '":{"',
  '":[',
  '":["',
  ':"',
  ',"',
  "'s",
  '://',
  '--',
  '==',
  '|',
  '<|',
  'true',
  'false',
  'null',
  ' true',
  ' false',
  ' null',
  'true,',
  'null}',
];

/** `size` tokens of which the last ends an answer. */
export function syntheticVocabulary(size: number): VocabularyTokens & { readonly end: number } {
  const tokens = new Map<string, Uint8Array>();
  const add = (bytes: Uint8Array): void => void tokens.set(Buffer.from(bytes).toString('latin1'), bytes);
  const addText = (text: string): void => add(new TextEncoder().encode(text));
  for (let byte = 0; byte < 256; byte += 1) add(Uint8Array.of(byte));
  for (const text of PUNCTUATION) addText(text);
  for (let number = 0; number < (size < 10_000 ? 100 : 1_000); number += 1) addText(String(number));
  for (let width = 2; width <= 24; width += 1) for (const space of [' ', '\n', '\t']) addText(space.repeat(width));
  for (let width = 1; width <= 16; width += 1) addText(`\n${' '.repeat(width)}`);
  const random = generator(7);
  while (tokens.size < size - 1) addText(randomToken(random));
  const bytes = [...tokens.values(), new TextEncoder().encode('<|end|>')];
  return { vocab: size, bytes, end: size - 1, isControl: (id) => id === size - 1 };
}

function randomToken(random: (below: number) => number): string {
  const kind = random(100);
  if (kind < 60) return `${random(2) === 0 ? ' ' : ''}${word(random, 'abcdefghijklmnopqrstuvwxyz')}`;
  if (kind < 72) return `${random(2) === 0 ? ' ' : ''}${capital(word(random, 'abcdefghijklmnopqrstuvwxyz'))}`;
  if (kind < 82) return foreign(random);
  if (kind < 88) return word(random, 'ABCDEFGHIJ_');
  if (kind < 94) return `${word(random, 'abcdefgh')}${PUNCTUATION[random(PUNCTUATION.length)] ?? ''}`;
  return `${PUNCTUATION[random(PUNCTUATION.length)] ?? ''}${word(random, 'abcdefgh').slice(0, 3)}`;
}

function word(random: (below: number) => number, alphabet: string): string {
  const length = 2 + random(4) + random(6);
  return Array.from({ length }, () => alphabet[random(alphabet.length)]).join('');
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

function foreign(random: (below: number) => number): string {
  const [first, count] = [
    [0x400, 80],
    [0x4e00, 8000],
    [0x3040, 90],
    [0x1f600, 60],
  ][random(4)] ?? [0x400, 80];
  return Array.from({ length: 1 + random(3) }, () => String.fromCodePoint((first ?? 0) + random(count ?? 1))).join('');
}

/** Park and Miller's generator: the same tokens everywhere. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 0x7fff_ffff;
    return state % below;
  };
}
