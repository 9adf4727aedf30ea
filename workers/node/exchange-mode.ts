// How the members of a decentralized group give each other a layer's outputs. Pure, and the same on every member.

/** Up to this many rows every member gets every output and sums for itself. */
export const ALL_TO_ALL_ROWS = 16;

/**
 * all: every output goes to every member. owners: each row has an owner that receives its outputs, sums them and spreads the sum;
 * one more hop, taken when it saves bytes.
 */
export type ExchangeMode = 'all' | 'owners';

export interface ExchangeShape {
  readonly rows: number;
  readonly topK: number;
  readonly members: number;
  /** Bytes of an activation; a sum is f32. */
  readonly activationBytes: 2 | 4;
}

export function exchangeMode({ rows, topK, members, activationBytes }: ExchangeShape): ExchangeMode {
  if (rows <= ALL_TO_ALL_ROWS) return 'all';
  // Per row and value, what one of the other members gets: all outputs, or its share of them to sum and then all sums.
  const outputs = topK * activationBytes;
  return outputs / members + Float32Array.BYTES_PER_ELEMENT < outputs ? 'owners' : 'all';
}

/** Rows [first, end) that a member owns. */
export function ownedRows(member: number, members: number, rows: number): readonly [first: number, end: number] {
  return [Math.floor((member * rows) / members), Math.floor(((member + 1) * rows) / members)];
}
