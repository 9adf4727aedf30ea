// How arXiv 2506.23635 places experts, for comparison: two fixed groups, each held as a whole by every one of its members
// (docs/paper.md#optimizations). Pure.
import { DomainError } from '../../infra/errors/domain-error.ts';

export interface PaperGroup {
  /** The experts of the group, ascending. */
  readonly experts: readonly number[];
  /** Indices of the members that hold all of them. */
  readonly members: readonly number[];
}

/**
 * The first half of the experts on the first half of the members, the rest on the rest; of three members the second half
 * has two. One member holds everything. Throws DomainError `bad_config` for no members.
 */
export function paperGroups(experts: number, members: number): readonly PaperGroup[] {
  if (members < 1) throw new DomainError('bad_config', 'Expected at least one node.', { param: 'nodes' });
  if (members === 1) return [{ experts: range(0, experts), members: [0] }];
  const [half, place] = [Math.ceil(experts / 2), Math.floor(members / 2)];
  return [
    { experts: range(0, half), members: range(0, place) },
    { experts: range(half, experts), members: range(place, members) },
  ];
}

/** The experts of each member under `groups`, as placeExperts answers. */
export function groupPlacement(groups: readonly PaperGroup[]): readonly (readonly number[])[] {
  const members = Math.max(...groups.flatMap((group) => group.members)) + 1;
  return range(0, members).map((member) => groups.find((group) => group.members.includes(member))?.experts ?? []);
}

/** Each expert on one member, the same number on each as far as it divides: what the naive system and RPC servers do. */
export function disjointPlacement(experts: number, members: number): readonly (readonly number[])[] {
  return range(0, members).map((member) =>
    range(Math.floor((member * experts) / members), Math.floor(((member + 1) * experts) / members)),
  );
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, offset) => from + offset);
}
