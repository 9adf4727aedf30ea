// This node's place in a group under one plan: what native/exchange needs to run steps with the others, over the exchange
// and without a way through JavaScript between layers.
import type { AddonGroupMember, AddonGroupMemberOptions, AddonGroupStreams } from './addon-types.ts';
import { flatHolders } from './expert-assigner.ts';
import { type LoadPolicy, toAddonPolicy } from './load-policy.ts';

/** Where the exchange Redis is; '' and 0 where there is nothing to say. */
export interface ExchangeAddress {
  /** Of a Unix socket; '' for host and port. */
  readonly path: string;
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly db: number;
}

/** A stream at one of several exchanges. */
export interface OutgoingStream {
  /** Index of the exchange. */
  readonly exchange: number;
  readonly key: string;
}

/** Where a member's frames lie. */
export interface GroupStreams {
  /** The first is where this node reads; it writes where the others read. */
  readonly exchanges: readonly ExchangeAddress[];
  /** What CLIENT LIST shows of its connections. */
  readonly name: string;
  /** What all others read, at each of their exchanges. */
  readonly toAll: readonly OutgoingStream[];
  /** For each member the stream that it alone reads. */
  readonly toMember: readonly OutgoingStream[];
  /** What the others write for this node. */
  readonly incoming: readonly { readonly key: string; readonly from: number }[];
}

export interface GroupPlace extends GroupStreams {
  readonly policy: LoadPolicy;
  readonly topology: 'centralized' | 'decentralized';
  readonly epoch: number;
  /** Indices of members. */
  readonly me: number;
  readonly leader: number;
  /** Members that hold each expert of each layer, ascending: [layers * experts][...members]. */
  readonly holders: readonly (readonly number[])[];
  /** Of each member, relative: [members]. */
  readonly speed: readonly number[];
}

export interface StepCommand {
  readonly step: number;
  /**
   * The leader's: it waits for a layer's frames for floorMs + factor * the longer of normalMs and what its own share took.
   * Null waits until the place is given up.
   */
  readonly timeout: { readonly floorMs: number; readonly factor: number; readonly normalMs: number } | null;
  /** Members that get no work; centralized only. */
  readonly suspects: readonly number[];
}

export interface MemberShare {
  readonly expertSeconds: number;
  readonly waitSeconds: number;
  readonly slots: number;
  readonly frames: number;
}

/** How a step went. With another trouble than `none` it did not end, and the logits are not there. */
export interface GroupStepReport {
  /**
   * late: no frames of the culprits in time. routing: a culprit routed otherwise in layer `text`. refused: a culprit sent
   * another frame than was asked for; bad_frame: an entry that is not a frame. failure: a culprit reports why it cannot go
   * on. no_holder: an expert is held by suspects alone, the culprits.
   */
  readonly trouble: 'none' | 'late' | 'routing' | 'refused' | 'bad_frame' | 'failure' | 'no_holder';
  readonly culprits: readonly number[];
  readonly text: string;
  readonly attendSeconds: number;
  readonly expertSeconds: number;
  readonly projectSeconds: number;
  /** Of each layer that waited for frames. */
  readonly waitsMs: Float64Array;
  /** What each member's frames say. */
  readonly members: readonly MemberShare[];
  /** Centralized: whose share others computed within the step; why is '' for lateness, else what the member reported. */
  readonly replaced: readonly { readonly member: number; readonly why: string }[];
  readonly framesSent: number;
  readonly bytesSent: number;
}

/** Belongs to the session that made it, ModelSession.joinGroup. */
export class GroupMember {
  readonly raw: AddonGroupMember;

  constructor(raw: AddonGroupMember) {
    this.raw = raw;
  }

  /** Gives the place up: a step that runs ends with NativeError `interrupted`, connections are closed. */
  leave(): void {
    this.raw.leave();
  }
}

export function toAddonPlace({
  policy,
  topology,
  epoch,
  me,
  leader,
  holders,
  speed,
  ...streams
}: GroupPlace): AddonGroupMemberOptions {
  return {
    ...toAddonStreams(streams),
    ...flatHolders(holders),
    policy: toAddonPolicy(policy),
    centralized: topology === 'centralized',
    epoch,
    me,
    leader,
    members: speed.length,
    speed: Float64Array.from(speed),
  };
}

export function toAddonStreams({ exchanges, name, toAll, toMember, incoming }: GroupStreams): AddonGroupStreams {
  const keys = incoming.map(({ key }) => key);
  return {
    exchanges,
    name,
    toAll,
    toMember,
    incoming: keys,
    incomingFrom: Int32Array.from(incoming, ({ from }) => from),
  };
}

const MEMBER_VALUES = 4;

/** members: [members, 4] as the addon writes them. */
export function memberShares(members: Float64Array): readonly MemberShare[] {
  return Array.from({ length: members.length / MEMBER_VALUES }, (_, member) => {
    const [expertSeconds = 0, waitSeconds = 0, slots = 0, frames = 0] = members.subarray(member * MEMBER_VALUES);
    return { expertSeconds, waitSeconds, slots, frames };
  });
}
