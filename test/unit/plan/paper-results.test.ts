import assert from 'node:assert/strict';
import { test } from 'node:test';
import { paperTable } from '../../../workers/plan/paper-results.ts';

const rows = paperTable();
const column = (value: (row: (typeof rows)[number]) => number, digits: number): string[] =>
  rows.map((row) => value(row).toFixed(digits));

test("busiest experts of the paper's groups are those of exact enumeration", () => {
  assert.deepEqual(
    column((row) => row.busiestExperts, 3),
    ['2.646', '2.323', '1.569', '1.077', '1.000'],
  );
});

test('upper bounds are those that the notes on the paper compute, on 10 GbE and with RDMA', () => {
  const notes = { upperBound: [9.5, 10.1, 11.9, 13.5, 13.6], upperBoundRdma: [15.6, 17.2, 23.3, 30.3, 31.5] };
  for (const [index, row] of rows.entries()) {
    // The notes leave out the routers' weights and the KV cache: a tenth of a token a second at most.
    assert.ok(Math.abs(row.upperBound - (notes.upperBound[index] ?? 0)) < 0.06, `${row.nodes}: ${row.upperBound}`);
    assert.ok(
      Math.abs(row.upperBoundRdma - (notes.upperBoundRdma[index] ?? 0)) < 0.11,
      `${row.nodes}: ${row.upperBoundRdma}`,
    );
  }
});

test('fitted to two nodes, four nodes come within 1 % of the published rate and below its share of communication', () => {
  const [two, , four] = rows;
  assert.equal(two?.fitted.toFixed(3), '6.100');
  assert.equal(two?.fittedCommunicationShare.toFixed(3), '0.230');
  assert.equal(four?.published.tokensPerSecond, 7);
  assert.ok(Math.abs((four?.fitted ?? 0) - 7) < 0.07);
  // The published share grows faster than ours: their exchange slows down with every node, ours is taken not to.
  assert.ok((four?.fittedCommunicationShare ?? 1) < (four?.published.communicationShare ?? 0));
});

test('says nothing of what was not published', () => {
  assert.deepEqual(
    rows.map(({ published }) => published.tokensPerSecond),
    [6.1, null, 7, null, null],
  );
});
