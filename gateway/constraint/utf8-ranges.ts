// Ranges of code points as the byte ranges of their UTF-8.
/** What each byte of a sequence may be, as ranges. */
export type BytePath = readonly (readonly (readonly [first: number, last: number])[])[];

/** Where the number of bytes changes. */
const LENGTHS = [0x7f, 0x7ff, 0xffff, 0x10ffff];

/** Sequences of byte ranges that together match exactly the characters from `first` to `last`, none of them a surrogate. */
export function utf8Ranges(first: number, last: number): readonly BytePath[] {
  const cut = LENGTHS.find((limit) => first <= limit && limit < last);
  if (cut !== undefined) return [...utf8Ranges(first, cut), ...utf8Ranges(cut + 1, last)];
  if (last <= 0x7f) return [[[[first, last]]]];
  return splitTrailing(first, last);
}

/** For characters of one length of two bytes or more. */
function splitTrailing(first: number, last: number): readonly BytePath[] {
  for (let bits = 6; bits <= 18; bits += 6) {
    const block = 1 << bits;
    const start = Math.ceil(first / block) * block;
    const end = Math.floor((last + 1) / block) * block - 1;
    if (Math.floor(first / block) === Math.floor(last / block)) continue;
    if (start > first) return [...splitTrailing(first, start - 1), ...splitTrailing(start, last)];
    if (end < last) return [...splitTrailing(first, end), ...splitTrailing(end + 1, last)];
  }
  const [from, to] = [encode(first), encode(last)];
  return [from.map((byte, at) => [[byte, to[at] ?? byte] as const])];
}

function encode(code: number): readonly number[] {
  return [...new TextEncoder().encode(String.fromCodePoint(code))];
}
