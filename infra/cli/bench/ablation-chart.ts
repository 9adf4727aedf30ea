// The result of `conclave bench ablation` as an SVG: one bar a rung, stacked by where the time of a layer goes. Pure.
import type { AblationResult, RungResult } from './ablation-result.ts';

const PARTS: readonly (readonly [part: 'moe_ms' | 'communication_ms' | 'rest_ms', label: string, color: string])[] = [
  ['moe_ms', 'experts', '#2f6f9f'],
  ['communication_ms', 'communication', '#d1843a'],
  ['rest_ms', 'rest', '#9aa5ab'],
];

/** Pixels. */
const WIDTH = 760;
const LEFT = 170;
const BARS = 430;
const TOP = 70;
const ROW = 34;
const BAR = 22;

export function ablationChart(result: AblationResult): string {
  const { rungs, nodes, threads, streams, model } = result;
  const longest = Math.max(...rungs.map(totalMs));
  const height = TOP + rungs.length * ROW + 30;
  const title = `${escapeXml(model)}: ${nodes} nodes, threads of each: ${threads}, streams: ${streams}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="13">
<title>${title}</title>
<rect width="100%" height="100%" fill="white"/>
<text x="12" y="24" font-size="15">${title}</text>
${legend()}
${rungs.map((rung, row) => bar(rung, row, BARS / longest)).join('\n')}
<text x="${LEFT}" y="${height - 10}" fill="#555">milliseconds of a layer on the leader, and tokens per second (medians)</text>
</svg>
`;
}

function totalMs(rung: RungResult): number {
  return PARTS.reduce((sum, [part]) => sum + rung[part], 0);
}

function legend(): string {
  return PARTS.map(
    ([, label, color], index) =>
      `<rect x="${LEFT + index * 140}" y="40" width="12" height="12" fill="${color}"/>` +
      `<text x="${LEFT + index * 140 + 18}" y="51">${label}</text>`,
  ).join('\n');
}

function bar(rung: RungResult, row: number, pixelsPerMs: number): string {
  const y = TOP + row * ROW;
  let x = LEFT;
  const pieces = PARTS.map(([part, , color]) => {
    const width = rung[part] * pixelsPerMs;
    const piece = `<rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" fill="${color}"/>`;
    x += width;
    return piece;
  });
  const label = `<text x="${LEFT - 8}" y="${y + 16}" text-anchor="end">${escapeXml(rung.name)}</text>`;
  const numbers = `${totalMs(rung).toFixed(2)} ms, ${rung.tokens_per_second.toFixed(1)} tok/s`;
  return [label, ...pieces, `<text x="${(x + 8).toFixed(1)}" y="${y + 16}">${numbers}</text>`].join('');
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
