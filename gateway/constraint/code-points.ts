// Sets of Unicode code points as sorted, disjoint ranges. Surrogates are no characters and never in a set.

/** Ranges [first, last], ascending, with gaps between them. */
export type CodePoints = readonly (readonly [first: number, last: number])[];

const LAST = 0x10ffff;

export const NO_CODE_POINTS: CodePoints = [];
export const ALL_CODE_POINTS: CodePoints = [
  [0, 0xd7ff],
  [0xe000, LAST],
];

/** The set of all characters of `text`. */
export function codePointsOf(text: string): CodePoints {
  return unite(
    Array.from(text, (character) => {
      const code = character.codePointAt(0) ?? 0;
      return [code, code] as const;
    }),
  );
}

/** The union of ranges in any order, which may overlap. Surrogates drop out. */
export function unite(ranges: CodePoints): CodePoints {
  const sorted = [...ranges].sort((left, right) => left[0] - right[0]);
  const merged: [number, number][] = [];
  for (const [first, last] of sorted) {
    const top = merged.at(-1);
    if (top !== undefined && first <= top[1] + 1) top[1] = Math.max(top[1], last);
    else merged.push([first, last]);
  }
  return intersectSets(merged, ALL_CODE_POINTS);
}

export function intersectSets(left: CodePoints, right: CodePoints): CodePoints {
  const both: (readonly [number, number])[] = [];
  let [at, other] = [0, 0];
  while (at < left.length && other < right.length) {
    const [a, b] = [left[at] ?? [0, -1], right[other] ?? [0, -1]];
    const [first, last] = [Math.max(a[0], b[0]), Math.min(a[1], b[1])];
    if (first <= last) both.push([first, last]);
    if (a[1] < b[1]) at += 1;
    else other += 1;
  }
  return both;
}

export function complement(set: CodePoints): CodePoints {
  const gaps: (readonly [number, number])[] = [];
  let next = 0;
  for (const [first, last] of set) {
    if (first > next) gaps.push([next, first - 1]);
    next = last + 1;
  }
  if (next <= LAST) gaps.push([next, LAST]);
  return intersectSets(gaps, ALL_CODE_POINTS);
}

export function subtractSet(from: CodePoints, removed: CodePoints): CodePoints {
  return intersectSets(from, complement(removed));
}
