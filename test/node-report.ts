// What a node says of itself, for tests.
import type { NodeHoldings, NodeReport } from '../infra/registry/node-heartbeats.ts';

/** A node of group `g` that holds the whole of a model of one layer of four experts. */
export function nodeReport(id: string, holdings: Partial<NodeHoldings> = {}): NodeReport {
  return {
    id,
    incarnation: `of-${id}`,
    group: 'g',
    model: 'demo',
    role: 'member',
    leaving: false,
    waitsFor: '',
    host: 'h',
    pid: 1,
    version: '0.1.0',
    beats: 1,
    backend: 'cpu',
    startedAtMs: 5,
    holdings: { ...WHOLE, ...holdings },
    stats: { threads: 1 },
  };
}

const WHOLE: NodeHoldings = {
  modelHash: 'ab'.repeat(32),
  dtype: 'bf16',
  layoutVersion: 1,
  protocol: 1,
  numericsClass: 'cpu',
  memoryBytes: 1e12,
  maxExperts: null,
  bytesPerSecond: 0,
  kvTokens: 4_096,
  expertsPerLayer: 4,
  experts: [0, 1, 2, 3],
  shared: true,
  packsUrl: null,
  exchangeUrl: null,
  canary: null,
};
