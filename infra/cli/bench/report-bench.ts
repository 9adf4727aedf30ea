// How benches speak: progress on stderr, the result on stdout as JSON or as a table with medians and extremes.
import type { Spread } from './statistics.ts';

/** A line of progress. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

export type TableRow = readonly [name: string, ...values: string[]];

/** Writes `result` as one JSON object when asked for, else the rows as aligned columns. */
export function writeResult(options: { readonly json?: true }, result: object, rows: readonly TableRow[]): void {
  process.stdout.write(options.json === true ? `${JSON.stringify(result)}\n` : tableText(rows));
}

/** "37.2 (35.9 to 38.0)", after multiplying by `scale`. */
export function spreadText({ min, median, max }: Spread, digits: number, scale = 1): string {
  const text = (value: number): string => (value * scale).toFixed(digits);
  return `${text(median)} (${text(min)} to ${text(max)})`;
}

function tableText(rows: readonly TableRow[]): string {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}
