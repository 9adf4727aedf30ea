// Decides whether a node may join a group. In: its report and the leader's. Out: null, or the reason for refusing it, as a
// sentence that names both sides and the remedy. Pure.
import type { NodeReport } from '../../infra/registry/node-heartbeats.ts';

/** Version of steps, frames and plans: nodes with different ones cannot understand each other. */
export const PROTOCOL_VERSION = 3;

/** Why `node` cannot compute together with `leader`; null when it can. */
export function refusalReason(node: NodeReport, leader: NodeReport): string | null {
  return otherSoftware(node, leader) ?? otherModel(node, leader);
}

/** The nodes that may take part in the group that `leaderId` leads, by id; none while the leader has not reported. */
export function admitNodes(nodes: readonly NodeReport[], group: string, leaderId: string): readonly NodeReport[] {
  const leader = nodes.find((node) => node.group === group && node.id === leaderId);
  if (leader === undefined) return [];
  return nodes.filter((node) => node.group === group && refusalReason(node, leader) === null);
}

function otherSoftware(node: NodeReport, leader: NodeReport): string | null {
  const [mine, theirs] = [softwareOf(node), softwareOf(leader)];
  if (mine === theirs) return null;
  return (
    `Node ${node.id} runs ${mine}, but ${leader.id}, which leads group ${node.group}, runs ${theirs}. ` +
    'Install the same version, or start this node in a group of its own (worker.group).'
  );
}

function softwareOf({ version, holdings }: NodeReport): string {
  return `version ${version} (protocol ${holdings.protocol}, packs ${holdings.layoutVersion})`;
}

function otherModel(node: NodeReport, leader: NodeReport): string | null {
  const [mine, theirs] = [modelOf(node), modelOf(leader)];
  if (mine === theirs) return null;
  return (
    `Node ${node.id} has ${mine}, but ${leader.id}, which leads group ${node.group}, has ${theirs}. ` +
    'Give both the same checkpoint, or start this node without --model to get it from the others.'
  );
}

function modelOf({ model, holdings }: NodeReport): string {
  return `model ${model} with checkpoint hash ${holdings.modelHash.slice(0, 16)} in ${holdings.dtype}`;
}
