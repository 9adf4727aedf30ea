// `conclave plan --paper`: what our formulas say of the paper's cluster beside what is published of it. Pure.
import type { PaperRow } from '../../../workers/plan/paper-results.ts';
import { formatTable } from '../format-table.ts';

const NOTES = `DBRX in bf16, one stream, M2 Ultra (800 GB/s), the paper's groups of eight experts, decentralized.

bound      what memory, arithmetic and link allow, no residual: computed here, not the paper's prediction
fitted     with the latency and the residual that two nodes leave; only the row of two nodes is fitted, the others are
           predictions
published  measured by the authors, as two summaries of arXiv 2506.23635 report it; its full text was not available.
           The rate of three nodes and anything on six and eight is in neither
overlap    the same machines and fit, experts placed by Conclave
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
