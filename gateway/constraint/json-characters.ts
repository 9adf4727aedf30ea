// Characters as they stand in a JSON string (RFC 8259, section 7), as sequences of sets of bytes.
import { type BytePath, utf8Ranges } from './utf8-ranges.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const FIRST_PLAIN = 0x20;
const SHORT_ESCAPES: ReadonlyMap<number, string> = new Map([
  [QUOTE, '\\"'],
  [BACKSLASH, '\\\\'],
  [0x08, '\\b'],
  [0x09, '\\t'],
  [0x0a, '\\n'],
  [0x0c, '\\f'],
  [0x0d, '\\r'],
]);

/** As JSON.stringify writes the characters from `first` to `last`. */
export function jsonCharacterBytes(first: number, last: number): readonly BytePath[] {
  const paths: BytePath[] = [];
  for (let code = first; code <= Math.min(last, BACKSLASH); code += 1) {
    if (code >= FIRST_PLAIN && code !== QUOTE && code !== BACKSLASH) continue;
    paths.push(textPath(SHORT_ESCAPES.get(code) ?? `\\u${code.toString(16).padStart(4, '0')}`));
  }
  for (const [from, to] of [
    [FIRST_PLAIN, QUOTE - 1],
    [QUOTE + 1, BACKSLASH - 1],
    [BACKSLASH + 1, 0x10ffff],
  ] as const) {
    const [low, high] = [Math.max(first, from), Math.min(last, to)];
    if (low <= high) paths.push(...utf8Ranges(low, high));
  }
  return paths;
}

const BASIC_LAST = 0xffff;

/** The other ways to write them: `\/` and \u with four digits, twice for characters beyond U+FFFF. */
export function jsonEscapedBytes(first: number, last: number): readonly BytePath[] {
  const paths: BytePath[] = first <= 0x2f && 0x2f <= last ? [textPath('\\/')] : [];
  if (first <= BASIC_LAST) paths.push(...hexRanges(first, Math.min(last, BASIC_LAST)).map(escaped));
  if (last <= BASIC_LAST) return paths;
  const [from, to] = [Math.max(first, BASIC_LAST + 1) - 0x10000, last - 0x10000];
  for (const [high, low] of surrogateRanges(from, to)) {
    for (const one of hexRanges(0xd800 + high[0], 0xd800 + high[1])) {
      for (const other of hexRanges(0xdc00 + low[0], 0xdc00 + low[1])) paths.push([...escaped(one), ...escaped(other)]);
    }
  }
  return paths;
}

type Span = readonly [number, number];

/** The pairs of halves of 20-bit numbers from `first` to `last`. */
function surrogateRanges(first: number, last: number): readonly (readonly [high: Span, low: Span])[] {
  const [high, top] = [first >> 10, last >> 10];
  const [low, bottom] = [first & 0x3ff, last & 0x3ff];
  if (high === top)
    return [
      [
        [high, high],
        [low, bottom],
      ],
    ];
  const between =
    high + 1 <= top - 1
      ? [
          [
            [high + 1, top - 1],
            [0, 0x3ff],
          ] as const,
        ]
      : [];
  return [
    [
      [high, high],
      [low, 0x3ff],
    ],
    ...between,
    [
      [top, top],
      [0, bottom],
    ],
  ];
}

type Digits = readonly Span[];

/** Numbers of four hexadecimal digits as ranges of digits. */
function hexRanges(first: number, last: number): readonly Digits[] {
  for (let bits = 4; bits <= 12; bits += 4) {
    const block = 1 << bits;
    if (first >> bits === last >> bits) continue;
    const [start, end] = [Math.ceil(first / block) * block, Math.floor((last + 1) / block) * block - 1];
    if (start > first) return [...hexRanges(first, start - 1), ...hexRanges(start, last)];
    if (end < last) return [...hexRanges(first, end), ...hexRanges(end + 1, last)];
  }
  return [[12, 8, 4, 0].map((bits) => [(first >> bits) & 15, (last >> bits) & 15] as const)];
}

function escaped(digits: Digits): BytePath {
  return [...textPath('\\u'), ...digits.map(hexDigits)];
}

/** The bytes that spell digits, in lower or upper case. */
function hexDigits([first, last]: Span): readonly Span[] {
  const decimal: Span[] = first <= 9 ? [[0x30 + first, 0x30 + Math.min(last, 9)]] : [];
  const [from, to] = [Math.max(first, 10) - 10, last - 10];
  return to < from || last < 10 ? decimal : [...decimal, [0x41 + from, 0x41 + to], [0x61 + from, 0x61 + to]];
}

function textPath(text: string): BytePath {
  return [...new TextEncoder().encode(text)].map((byte) => [[byte, byte] as const]);
}
