// The paper's cluster through our formulas, beside what is published of it. The full text of arXiv 2506.23635 was not
// available: each published value says through which secondary source it came, and nothing else is called published.
import { dbrx } from '../model/families/dbrx.ts';
import { exampleModel } from '../model/size-config.ts';
import type { StoredModel } from '../model/stored-model.ts';
import type { Link, SoftwareCost } from './machine.ts';
import { type ClusterPlan, type Policy, planCluster } from './plan-cluster.ts';
import { LINKS, MACHINES } from './presets.ts';

/** DBRX Instruct as the paper runs it: bf16, 128 tokens in and 128 out, so 192 in the middle. */
export const DBRX: StoredModel = exampleModel(dbrx);
const CONTEXT = 192;

interface Published {
  readonly tokensPerSecond: number | null;
  readonly communicationShare: number | null;
}

const MEASURED_TWO = { tokensPerSecond: 6.1, communicationShare: 0.23 };

/** Reported by two summaries of the paper; none of them has the rate of three nodes. */
const PUBLISHED: Readonly<Record<number, Published>> = {
  2: MEASURED_TWO,
  3: { tokensPerSecond: null, communicationShare: 0.29 },
  4: { tokensPerSecond: 7.0, communicationShare: 0.33 },
};

/** The form of the model that the paper's notes compute with: arithmetic adds up with reading. */
const NO_RESIDUAL: SoftwareCost = { layerSeconds: 0, stepSeconds: 0, computeHidden: false };

export interface PaperRow {
  readonly nodes: number;
  readonly busiestExperts: number;
  /** Nothing but memory, arithmetic and link: 10 GbE, and 25 Gb/s RDMA. */
  readonly upperBound: number;
  readonly upperBoundRdma: number;
  /** With latency and residual as fitted to two nodes. */
  readonly fitted: number;
  readonly fittedCommunicationShare: number;
  readonly published: Published;
  /** The same machines with overlapping replicas, fitted likewise, and their E[max]. */
  readonly overlap: number;
  readonly overlapBusiestExperts: number;
}

/** Rows for 2, 3, 4, 6 and 8 nodes of M2 Ultra. */
export function paperTable(): readonly PaperRow[] {
  const { link, software } = fitToTwoNodes();
  return [2, 3, 4, 6, 8].map((nodes) => {
    const ethernet = plan(nodes, 'groups', linkNamed('10gbe'), NO_RESIDUAL);
    const fitted = plan(nodes, 'groups', link, software);
    const overlap = plan(nodes, 'overlap', link, software);
    return {
      nodes,
      busiestExperts: ethernet.step.busiestExperts,
      upperBound: ethernet.step.tokensPerSecond,
      upperBoundRdma: plan(nodes, 'groups', linkNamed('rdma-25g'), NO_RESIDUAL).step.tokensPerSecond,
      fitted: fitted.step.tokensPerSecond,
      fittedCommunicationShare: fitted.step.communicationShare,
      published: PUBLISHED[nodes] ?? { tokensPerSecond: null, communicationShare: null },
      overlap: overlap.step.tokensPerSecond,
      overlapBusiestExperts: overlap.step.busiestExperts,
    };
  });
}

function plan(count: number, policy: Policy, link: Link, software: SoftwareCost): ClusterPlan {
  const preset = MACHINES['m2-ultra'];
  if (preset === undefined) throw new TypeError('The preset m2-ultra is missing.');
  const nodes = Array.from({ length: count }, (_, index) => ({
    ...preset,
    name: `mac-${index + 1}`,
    host: `mac-${index + 1}`,
    maxExperts: null,
    hostBytesPerSecond: preset.bytesPerSecond,
    hostFlops: preset.flops,
  }));
  const input = { model: DBRX, nodes, link, software, policy, streams: 1, context: CONTEXT, counts: null };
  return planCluster({ ...input, topology: 'decentralized' });
}

/**
 * What two nodes leave unexplained: the communication share of a token fixes the latency of an exchange, the rest above
 * reading and arithmetic is the residual. From two nodes alone, so that the other rows are predictions.
 */
function fitToTwoNodes(): { readonly link: Link; readonly software: SoftwareCost } {
  const ethernet = linkNamed('10gbe');
  const { load, compute, latency, transfer } = plan(2, 'groups', ethernet, NO_RESIDUAL).step.seconds;
  const exchanges = latency / ethernet.latencySeconds;
  const token = 1 / MEASURED_TWO.tokensPerSecond;
  const communication = MEASURED_TWO.communicationShare * token;
  return {
    link: { ...ethernet, latencySeconds: (communication - transfer) / exchanges },
    software: { ...NO_RESIDUAL, layerSeconds: (token - communication - load - compute) / DBRX.blockOfLayer.length },
  };
}

function linkNamed(name: string): Link {
  const link = LINKS[name];
  if (link === undefined) throw new TypeError(`The preset ${name} is missing.`);
  return link;
}
