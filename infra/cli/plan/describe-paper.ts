// `conclave plan --paper`: predictions for the paper's cluster next to the published figures. Pure.
import type { PaperRow } from '../../../workers/plan/paper-results.ts';
import { formatTable } from '../format-table.ts';

const NOTES = `DBRX in bf16, one stream, M2 Ultra (800 GB/s), the paper's groups of eight experts, decentralized.

bound      upper bound from memory, arithmetic and link, without residual: computed here, not the paper's prediction
fitted     with latency and residual fitted to the row of two nodes; the other rows are predictions
published  measured by the authors, according to two summaries of arXiv 2506.23635; its full text was not available.
           Neither has the rate of three nodes, or anything about six and eight
overlap    the same machines and fit, with experts placed by Conclave
`;

export function describePaper(rows: readonly PaperRow[]): string {
  const head = [
    'nodes',
    'E[max]',
    'bound',
    'RDMA',
    'fitted',
    'published',
    'comm.',
    'published',
    'overlap E[max]',
    'tok/s',
  ];
  const cells = rows.map((row) => [
    String(row.nodes),
    row.busiestExperts.toFixed(3),
    row.upperBound.toFixed(1),
    row.upperBoundRdma.toFixed(1),
    row.fitted.toFixed(1),
    row.published.tokensPerSecond?.toFixed(1) ?? '-',
    `${(row.fittedCommunicationShare * 100).toFixed(0)} %`,
    row.published.communicationShare === null ? '-' : `${(row.published.communicationShare * 100).toFixed(0)} %`,
    row.overlapBusiestExperts.toFixed(3),
    row.overlap.toFixed(1),
  ]);
  return `${formatTable(head, cells)}\n${NOTES}`;
}
